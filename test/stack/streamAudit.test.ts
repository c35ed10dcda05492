/** The audit's checksums of a stream's table, computed by Trino, against those of the canonical records. */
import { Effect, Layer, Option, Stream } from "effect"
import fc from "fast-check"
import { afterAll, assert, beforeAll, test } from "vitest"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import { nextVersion } from "../../layers/declaration/compareStreams.ts"
import { makeHours } from "../../layers/operate/audit/hourlyChecksums.ts"
import { rowFormat } from "../../layers/operate/audit/RowFormat.ts"
import * as EvolveTable from "../../layers/table/trino/evolveTable.ts"
import * as QueryLayer from "../../layers/table/trino/Query.ts"
import * as RebuildTable from "../../layers/table/trino/rebuildTable.ts"
import * as TableChecksumsLayer from "../../layers/table/trino/TableChecksums.ts"
import { Query } from "../../services/Query.ts"
import { SinkCommits } from "../../services/SinkCommits.ts"
import type { AppliedStream, Column, StreamDefinition } from "../../services/StreamDefinition.ts"
import { TableChecksums, type TableHour } from "../../services/TableChecksums.ts"
import { nightly } from "../support/nightly.ts"
import { edges, eventOf, everyType, someColumns } from "../support/someStreams.ts"
import { rowLiteral } from "../support/trinoLiteral.ts"

const bucket = "warehouse"
const noCommits = Layer.succeed(SinkCommits, SinkCommits.of({ positions: () => Effect.succeed(new Map()) }))
const layer = Layer.provideMerge(TableChecksumsLayer.layer, [QueryLayer.layer, noCommits])
const run = <A, E>(effect: Effect.Effect<A, E, Query | TableChecksums>) =>
  Effect.runPromise(Effect.provide(effect, layer))
const sql = (statement: string) =>
  run(
    Query.use(({ execute }) => Effect.flatMap(execute(statement), ({ rows }) => Stream.runCollect(rows))).pipe(
      Effect.scoped
    )
  )
const quiet = () => Effect.void

const made: Array<string> = []
const unique = (name: string) => {
  const own = `trino_${name}_${process.pid}`
  made.push(own, `${own}_again`)
  return own
}
const drop = async () => {
  for (const name of made) await sql(`DROP TABLE IF EXISTS ${name}`)
}
beforeAll(drop)
afterAll(drop)

type Event = Readonly<Record<string, unknown>>

/** A statement has at most a million characters. */
const maxStatement = 900_000

const insert = async (table: string, columns: ReadonlyArray<Column>, events: ReadonlyArray<Event>) => {
  let rows: Array<string> = []
  const flush = async () => {
    if (rows.length > 0) await sql(`INSERT INTO ${table} VALUES ${rows.join(",\n")}`)
    rows = []
  }
  for (const row of events.map((event) => rowLiteral(columns, event))) {
    if (rows.length >= 40 || rows.join().length + row.length > maxStatement) await flush()
    rows.push(row)
  }
  await flush()
}

/** The stream's table with these rows as one commit, which is nobody's change. */
const tableOf = async (stream: AppliedStream, events: ReadonlyArray<Event>) => {
  const { columns, name } = stream.definition
  await run(RebuildTable.create(`${name}_again`, stream))
  await insert(`${name}_again`, columns, events)
  await run(RebuildTable.replace(stream, `${name}_again`, bucket, "a topic"))
}

const checksums = (stream: AppliedStream) =>
  run(
    Effect.gen(function* () {
      const view = Option.getOrThrow(yield* (yield* TableChecksums).view(stream))
      const hours = yield* view.hours
      return new Map([...hours].map(([ts, { checksum, rows }]) => [ts, { checksum, rows }]))
    }).pipe(Effect.scoped)
  )

const expected = (stream: AppliedStream, events: ReadonlyArray<Event>) => {
  const { add, all } = makeHours(rowFormat(stream), () => true)
  for (const [offset, event] of events.entries()) {
    add({ position: { partition: 0, offset }, acceptedAt: 0, record: JSON.stringify(event) })
  }
  return new Map([...all()].map(([ts, { checksum, rows }]): [TableHour, object] => [ts, { checksum, rows }]))
}

test("given values of every type at their edges, then Trino's checksums are those of the records", {
  timeout: 300_000
}, async () => {
  const stream = firstVersion({ ...everyType, name: unique("edges") }, 0)
  const some = fc.sample(eventOf(everyType.columns), { numRuns: 200, seed: 476 })
  const long = { id: "1000", s: "é".repeat(700_000), received: "2026-11-27T10:11:12.000000Z" }
  const events = [...edges, long, ...some]
  await tableOf(stream, events)
  assert.deepStrictEqual(await checksums(stream), expected(stream, events))
  const [[bytes] = []] = await sql(`SELECT max(length(s)) FROM ${stream.definition.name}`)
  assert.strictEqual(bytes, "700000")
})

test("given streams with any columns, then Trino's checksums are those of the records", {
  timeout: 600_000
}, async () => {
  for (const [i, columns] of fc.sample(someColumns, { numRuns: 10, seed: 476 }).entries()) {
    const definition: StreamDefinition = { name: unique(`any_${i}`), columns, key: null, partitionBy: [] }
    const stream = firstVersion(definition, 0)
    const events = fc.sample(eventOf(columns), { numRuns: 30, seed: i })
    await tableOf(stream, events)
    assert.deepStrictEqual(await checksums(stream), expected(stream, events), JSON.stringify(columns))
  }
})

const first: StreamDefinition = {
  name: unique("changed"),
  columns: [
    { name: "sensor", required: true, type: "string" },
    { name: "at", required: true, type: "timestamptz" },
    { name: "n", required: false, type: "int" },
    { name: "f", required: false, type: "float" },
    {
      name: "places",
      required: false,
      type: "list",
      nullable: true,
      element: { type: "struct", fields: [{ name: "lat", required: true, type: "float" }] }
    }
  ],
  key: null,
  partitionBy: [{ column: "at", transform: "month" }]
}

const second: StreamDefinition = {
  ...first,
  columns: [
    { name: "device", required: true, type: "string", renamedFrom: "sensor" },
    { name: "at", required: true, type: "timestamptz" },
    { name: "n", required: false, type: "long" },
    { name: "f", required: false, type: "double" },
    {
      name: "places",
      required: false,
      type: "list",
      nullable: true,
      element: {
        type: "struct",
        fields: [
          { name: "lat", required: true, type: "double" },
          { name: "alt", required: false, type: "int" }
        ]
      }
    },
    { name: "note", required: false, type: "json" }
  ]
}

test("given a stream that changed, then its old rows count as they did, also where others wrote before and after", {
  timeout: 300_000
}, async () => {
  const one = firstVersion(first, 0)
  const two = nextVersion([one], second, 0)
  const { name } = first
  const events = [
    {
      sensor: "a",
      at: "2026-11-27T10:11:12.000000Z",
      n: -7,
      f: 0.10000000149011612,
      places: [null, { lat: 0.10000000149011612 }]
    },
    { sensor: "b", at: "1969-10-31T23:59:59.999999Z" }
  ]
  await tableOf(one, events)
  await sql(`INSERT INTO ${name} SELECT * FROM ${name} WHERE n = -7`)
  assert.deepStrictEqual(await checksums(one), expected(one, events))
  await run(EvolveTable.bringTo(two, { bucket }, quiet))
  assert.deepStrictEqual(await checksums(two), expected(two, events))
  await sql(`INSERT INTO ${name} (device, at, note) VALUES ('c', TIMESTAMP '2026-11-01 00:00:00 UTC', '1')`)
  await sql(`DELETE FROM ${name} WHERE device = 'b'`)
  assert.deepStrictEqual(await checksums(two), expected(two, events))
  const [hour, records, changes] = await run(
    Effect.gen(function* () {
      const view = Option.getOrThrow(yield* (yield* TableChecksums).view(two))
      const hours = yield* view.hours
      const records = yield* Stream.runCollect(view.records("2026-11", { of: 1, slices: [0] }))
      return [hours.get("2026-11"), records, (yield* view.others).changes] as const
    }).pipe(Effect.scoped)
  )
  assert.strictEqual(hour?.byOthers, 2)
  const format = rowFormat(two)
  assert.deepStrictEqual(
    records.map(({ rows, text }) => ({ rows, text })),
    [{ rows: 1, text: format.text(JSON.stringify(events[0])) }]
  )
  assert.deepStrictEqual(records[0]?.shown, {
    row: JSON.stringify({
      device: "a",
      at: "2026-11-27T10:11:12Z",
      n: "-7",
      f: 0.10000000149011612,
      places: [null, { lat: 0.10000000149011612, alt: null }],
      note: null
    })
  })
  assert.deepStrictEqual(
    changes.map(({ added, by, deleted }) => ({ added, by, deleted })),
    [
      { added: 1, by: "trino", deleted: 0 },
      { added: 1, by: "trino", deleted: 0 },
      { added: 0, by: "trino", deleted: 1 }
    ]
  )
})

test("given a table whose change is not yet in the log, then the audit names it", async () => {
  const error = await run(
    Effect.flip(TableChecksums.use(({ view }) => view(firstVersion(first, 0)))).pipe(Effect.scoped)
  )
  assert.strictEqual(
    error.message,
    "The table cannot be queried: its table has no column sensor: a change of the stream is being applied or was interrupted, or somebody altered the table; run floe streams apply."
  )
})

test.runIf(nightly)(
  "given as many columns as a stream may have, then they are compared",
  { timeout: 300_000 },
  async () => {
    const columns = Array.from(
      { length: 1_000 },
      (_, i): Column => ({ name: `c${i}`, required: false, type: i % 2 === 0 ? "long" : "string" })
    )
    const stream = firstVersion({ name: unique("wide"), columns, key: null, partitionBy: [] }, 0)
    const events = [0, 1, 2].map((row) =>
      Object.fromEntries(columns.filter((_, i) => i % 3 !== row).map(({ name }, i) => [name, String(i + row)]))
    )
    await tableOf(stream, events)
    assert.deepStrictEqual(await checksums(stream), expected(stream, events))
  }
)
