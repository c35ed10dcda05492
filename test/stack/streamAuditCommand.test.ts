/** `floe audit --stream` from the topic through Kafka Connect to Trino, with values of every type. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import fc from "fast-check"
import { afterAll, assert, test } from "vitest"
import { floe as command } from "../support/program.ts"
import { edges, eventOf, everyType } from "../support/someStreams.ts"
import { shell } from "./docker.ts"
import { removeStreams } from "./removedStreams.ts"
import { trino, until } from "./weather.ts"

const stream = `trino_audit_${process.pid}`
const folder = mkdtempSync(join(tmpdir(), "floe-stream-audit-"))
const declaration = join(folder, "floe.streams.json")
const table = `iceberg.default.${stream}`

const floe = (...args: ReadonlyArray<string>) =>
  Effect.runPromise(command(args, { FLOE_PROFILE: "distributed", FLOE_STREAMS: declaration }))
const succeeds = async (...args: ReadonlyArray<string>) => {
  const { code, out, err } = await floe(...args)
  assert.strictEqual(code, 0, `${args.join(" ")}: ${out}${err}`)
  return out
}

afterAll(async () => {
  await removeStreams([stream])
  rmSync(folder, { recursive: true })
}, 120_000)

test("given values of every type, when the sink has written them, then each is one row, until somebody deletes some", {
  timeout: 400_000
}, async () => {
  writeFileSync(declaration, JSON.stringify({ format: 1, streams: [{ ...everyType, name: stream }] }))
  await succeeds("streams", "apply")
  const events = [...edges, ...fc.sample(eventOf(everyType.columns), { numRuns: 50, seed: 13 })]
  const file = join(folder, "events")
  writeFileSync(file, events.map((event) => `${JSON.stringify(event)}\n`).join(""))
  await shell(
    `docker exec -i kafka kafka-console-producer --bootstrap-server localhost:9092 --topic ${stream} < ${file}`
  )
  await until(
    "every event in the table",
    () => trino(`SELECT count(*) FROM ${table}`),
    (found) => Number(found[0]?.[0]) === events.length,
    { seconds: 240 }
  )
  const report = JSON.parse(await succeeds("audit", "--stream", stream, "--json"))
  const { extra, inTable, leftOut, logged, missing } = report
  const all = events.length
  assert.deepStrictEqual(
    { extra, inTable, leftOut, logged, missing },
    { extra: 0, inTable: all, leftOut: 0, logged: all, missing: 0 }
  )
  await trino(`DELETE FROM ${table} WHERE id = 12`)
  assert.match(
    await succeeds("audit", "--stream", stream),
    /changed by another writer: snapshot \d+ by trino, \+0 −\d+ rows\n/
  )
})
