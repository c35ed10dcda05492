import { Config, Console, Effect, Layer } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { logFormat } from "../../services/Settings.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { weather } from "../../services/TableReader.ts"
import { exampleEvent } from "./exampleEvent.ts"
import { HttpServer } from "./http/HttpServer.ts"

const maxNames = 10

/** Nothing if there are none; else their names, how to send an event to the first, and how to query its table. */
const streamLines = (url: string, prefix: string, streams: ReadonlyArray<AppliedStream>) => {
  const first = streams.find(({ definition }) => definition.writer === undefined)
  if (first === undefined) return ""
  const { columns, name } = first.definition
  const names = streams.slice(0, maxNames).map(({ definition }) => definition.name)
  const more = streams.length > maxNames ? ` and ${streams.length - maxNames} more (npx floe streams list)` : ""
  const event = JSON.stringify(exampleEvent(columns)).replaceAll("'", "'\\''")
  return `
  your streams    ${names.join(", ")}${more}
  send an event   curl ${url}/streams/${name}/events -H 'content-type: application/json' -d '${event}'
  query its table ${prefix}npx floe query "SELECT * FROM ${name}"
`
}

const banner = (url: string, root: string, prefix: string, streams: ReadonlyArray<AppliedStream>) => `
Floe runs at ${url} and keeps all its data in ${root}

  log a record    curl "${url}/log?city=TestCity&temperature=75.5"
  query the table ${prefix}npx floe query "SELECT * FROM iceberg.default.weather WHERE city = 'TestCity'"
  the API         ${url}/docs
${streamLines(url, prefix, streams)}
Press Ctrl-C to stop it; the next start resumes where it stopped.
`

/** Prints where Floe runs and what to try next. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { url } = yield* HttpServer
    const { root } = yield* DataFolder
    const elsewhere = yield* Config.option(Config.String("FLOE_DATA"))
    const prefix = elsewhere._tag === "Some" ? `FLOE_DATA="${root}" ` : ""
    const applied = yield* Effect.orElseSucceed((yield* Streams).all, () => [])
    const streams = applied.filter(({ definition }) => definition.name !== weather)
    if ((yield* logFormat) === "json") yield* Effect.logInfo(`Floe runs at ${url} and keeps all its data in ${root}`)
    else yield* Console.log(banner(url, root, prefix, streams))
    yield* Effect.addFinalizer(() => Effect.logInfo("Stopping: acknowledged events are being committed."))
  })
)
