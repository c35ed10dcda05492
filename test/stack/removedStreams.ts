/** Removes what tests have created of streams, so that the tests after them find the stack as it was. */
import { docker } from "./docker.ts"
import { trino } from "./weather.ts"

const kafka = (command: string) => docker("exec", "kafka", "bash", "-c", command)
const broker = "--bootstrap-server localhost:9092"

/** More versions than a test makes. */
const versions = Array.from({ length: 9 }, (_, i) => String(i + 1))

/** Connector, table, topics, and the records in floe-streams, without which a stream is unknown again. */
export const removeStreams = async (names: ReadonlyArray<string>) => {
  for (const name of names) {
    await fetch(`http://localhost:8083/connectors/iceberg-sink-${name}`, { method: "DELETE" })
    await trino(`DROP TABLE IF EXISTS iceberg.default.${name}`)
  }
  const topics = names.flatMap((name) => [name, `${name}-dlq`, `control-iceberg-${name}`]).join("|")
  await kafka(`kafka-topics ${broker} --delete --if-exists --topic '${topics}'`)
  const keys = names.flatMap((name) => [...versions, "pending"].map((key) => `${name}/${key}:NULL`)).join("\n")
  const properties = "--property parse.key=true --property key.separator=: --property null.marker=NULL"
  await kafka(`echo '${keys}' | kafka-console-producer ${broker} --topic floe-streams ${properties}`)
}
