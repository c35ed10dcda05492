import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema, Stream } from "effect"
import fc from "fast-check"
import { csv, json } from "../../layers/cli/terminal/formats.ts"
import * as EventLogLayer from "../../layers/log/sqlite/EventLog.ts"
import * as EventLogReaderLayer from "../../layers/log/sqlite/EventLogReader.ts"
import { audit } from "../../layers/operate/audit/audit.ts"
import * as QueryLayer from "../../layers/table/duckdb/Query.ts"
import * as TableChecksumsLayer from "../../layers/table/duckdb/TableChecksums.ts"
import * as TableWriterLayer from "../../layers/table/iceberg/TableWriter.ts"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLog, EventLogReader } from "../../services/EventLog.ts"
import { Query } from "../../services/Query.ts"
import { TableWriter } from "../../services/TableWriter.ts"
import { hourOf, type WeatherRecord } from "../../services/Weather.ts"
import { environment, filesUnder, readAvro } from "../support/icebergTable.ts"
import { icebirdRows, sorted } from "../support/icebirdReader.ts"
import { oddCities, oddCity } from "../support/oddCities.ts"
import { weatherOnly } from "../support/weatherOnly.ts"

const live = Layer.mergeAll(
  QueryLayer.layer.pipe(Layer.provide(weatherOnly)),
  TableChecksumsLayer.layer,
  TableWriterLayer.layer,
  EventLogLayer.layer,
  EventLogReaderLayer.layer
).pipe(Layer.provideMerge(environment))

const Bounds = Schema.Array(Schema.Struct({ key: Schema.Int, value: Schema.Uint8Array }))
const decodeEntries = Schema.decodeUnknownSync(
  Schema.Array(
    Schema.Struct({
      data_file: Schema.Struct({
        partition: Schema.Struct({ ts: Schema.String }),
        lower_bounds: Bounds,
        upper_bounds: Bounds
      })
    })
  )
)

/** Every city in an hour of its own, so that its file's bounds are its own too. */
const recordsOf = (cities: ReadonlyArray<string>): ReadonlyArray<WeatherRecord> =>
  cities.map((city, i) => ({ city, temperature: "1", ts: hourOf(i * 3_600_000) }))

const fill = Effect.fnUntraced(function* (records: ReadonlyArray<WeatherRecord>, inTable = records) {
  const log = yield* EventLog
  for (const record of records) yield* log.append({ records: [record] })
  const { logId } = yield* (yield* EventLogReader).bounds
  const table = yield* TableWriter
  yield* table.stage(inTable)
  yield* table.commit({ logId, offset: records.length })
})

const assertBounds = (tableFolder: string, records: ReadonlyArray<WeatherRecord>) => {
  const manifests = filesUnder(join(tableFolder, "metadata")).filter((path) => /-m\d+\.avro$/.test(path))
  const entries = manifests.flatMap((path) => decodeEntries(readAvro(path).records))
  assert.strictEqual(entries.length, records.length)
  for (const { data_file } of entries) {
    const city = records.find(({ ts }) => ts === data_file.partition.ts)?.city ?? ""
    const bytes = Buffer.from(city)
    const bound = (bounds: typeof data_file.lower_bounds) => bounds.find(({ key }) => key === 1)?.value
    const [lower, upper] = [bound(data_file.lower_bounds), bound(data_file.upper_bounds)]
    if ([...city].length <= 16) {
      assert.deepStrictEqual([lower && Buffer.from(lower), upper && Buffer.from(upper)], [bytes, bytes])
    } else {
      if (lower !== undefined) assert.isAtMost(Buffer.compare(lower, bytes), 0, JSON.stringify(city))
      if (upper !== undefined) assert.isAtLeast(Buffer.compare(upper, bytes), 0, JSON.stringify(city))
    }
  }
}

const printed = Effect.fnUntraced(function* (format: typeof csv | typeof json, sql: string) {
  const { columns, rows } = yield* (yield* Query).execute(sql)
  return yield* Stream.mkString(format(columns, rows))
}, Effect.scoped)

const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(?:,|\r\n)/y
const csvFields = (text: string) => {
  const fields: Array<string> = []
  field.lastIndex = 0
  for (let match = field.exec(text); match !== null; match = field.lastIndex < text.length ? field.exec(text) : null) {
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "")
  }
  return fields
}

const roundTrip = Effect.fnUntraced(function* (cities: ReadonlyArray<string>) {
  const records = recordsOf(cities)
  yield* fill(records)
  const { table } = yield* DataFolder
  // icebird itself drops a leading U+FEFF; that it is in the file is seen from hex() below, and by the engines' tests.
  const marked = (rows: ReadonlyArray<WeatherRecord>) =>
    sorted(rows.map((row) => ({ ...row, city: row.city.replace(/^\ufeff+/, "") })))
  assert.deepStrictEqual(marked(yield* icebirdRows(table)), marked(records))
  assertBounds(table, records)
  const sql = "SELECT city, {c: [city]} AS nested, hex(city) AS bytes FROM weather ORDER BY ts"
  assert.deepStrictEqual(
    JSON.parse(yield* printed(json, sql)),
    cities.map((city) => ({ city, nested: { c: [city] }, bytes: Buffer.from(city).toString("hex").toUpperCase() }))
  )
  assert.deepStrictEqual(csvFields(yield* printed(csv, "SELECT city FROM weather ORDER BY ts")), ["city", ...cities])
  const report = Option.getOrThrow(yield* audit({}))
  assert.deepInclude(report, { logged: cities.length, inTable: cities.length, missing: 0, extra: 0 })
}, Effect.provide(live))

it.live("a city of any characters is the same in manifests, queries, CSV, JSON and the audit", () =>
  roundTrip(oddCities)
)

it.live("so is any generated city", () =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(fc.array(oddCity, { minLength: 40, maxLength: 40 }), (cities) =>
        Effect.runPromise(roundTrip(cities))
      ),
      { numRuns: 3, endOnFailure: true }
    )
  )
)

it.live("an audit shows a city that begins with U+FEFF unchanged", () =>
  Effect.gen(function* () {
    const [logged, inTable] = [recordsOf(["\ufeffOslo"]), recordsOf(["\ufeffPune"])]
    yield* fill(logged, inTable)
    const text = JSON.stringify(yield* audit({}))
    assert.include(text, '"\ufeffOslo"')
    assert.include(text, '"\ufeffPune"')
  }).pipe(Effect.provide(live))
)

it.live("names and values of a query's columns keep U+FEFF, even nested ones", () =>
  Effect.gen(function* () {
    yield* fill(recordsOf(["Oslo"]))
    const sql = `SELECT '\ufeffa' AS "\ufeffname", MAP {'\ufeffk': '\ufeffv'} AS m, {'\ufefff': 1} AS s,
      '"\ufeffj"'::JSON AS j, '\ufeffe'::ENUM('\ufeffe') AS e, union_value("\ufefft" := '\ufeffu') AS u, chr(0) || 'x' AS n`
    assert.deepStrictEqual(JSON.parse(yield* printed(json, sql)), [
      {
        "\ufeffname": "\ufeffa",
        m: [{ key: "\ufeffk", value: "\ufeffv" }],
        s: { "\ufefff": 1 },
        j: '"\ufeffj"',
        e: "\ufeffe",
        u: { tag: "\ufefft", value: "\ufeffu" },
        n: "\u0000x"
      }
    ])
    const failure = yield* Effect.flip(printed(json, "SELECT '\ufeffwarm'::INT"))
    assert.include(failure.message, "'\ufeffwarm'")
    // A file that begins with U+FEFF has a byte order mark to its readers.
    assert.match(yield* printed(csv, `SELECT 1 AS "\ufeffname"`), /^"\ufeffname"\r\n/)
  }).pipe(Effect.provide(live))
)
