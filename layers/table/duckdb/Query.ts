import { Effect, Layer, Option, Stream } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Leases } from "../../../services/Leases.ts"
import { Query, QueryFailed, QueryUnavailable } from "../../../services/Query.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { type AsOf, weather } from "../../../services/TableReader.ts"
import { repairAdvice } from "../iceberg/repairAdvice.ts"
import { withLeasedSnapshot } from "../iceberg/SnapshotLease.ts"
import { readScan } from "../iceberg/TableScan.ts"
import * as TableSpec from "../schema/TableSpec.ts"
import * as OtherTables from "./otherTables.ts"
import * as QueryEngine from "./QueryEngine.ts"
import { isShowCatalogs, trimmed } from "./statement.ts"
import { stateTables } from "./stateTables.ts"
import { allRows, emptyRows, type TableRows } from "./tableRows.ts"

const catalogs = {
  columns: [{ name: "Catalog", type: "VARCHAR" }],
  rows: Stream.make(["iceberg"], ["system"])
}

const unavailable = (error: Error, advice = "") =>
  new QueryUnavailable({ reason: `${error.message.replace(/\.$/, "")}${advice}`, cause: error })

export const layer = Layer.effect(
  Query,
  Effect.gen(function* () {
    const folder = yield* DataFolder
    const leases = yield* Leases

    const streams = yield* Streams

    /** Of a table without a snapshot, `empty` if it is given. */
    const rows = Effect.fnUntraced(
      function* (table: string, asOf: AsOf | undefined, empty?: TableRows) {
        const leased = withLeasedSnapshot(table, asOf).pipe(Effect.map(Option.some))
        const held = yield* Effect.catchTag(leased, "TableMissing", (error) =>
          empty === undefined ? Effect.fail(error) : Effect.succeedNone
        )
        return Option.isNone(held) && empty !== undefined
          ? empty
          : yield* allRows(table, yield* readScan(table, Option.getOrThrow(held)))
      },
      Effect.provideService(Leases, leases),
      Effect.catchTags({
        TableMissing: ({ advice, table }) =>
          Effect.fail(new QueryUnavailable({ reason: `there is no table yet ${table}; ${advice}`, cause: undefined })),
        TableUnavailable: (error) => Effect.fail(unavailable(error)),
        TableBroken: (error) => Effect.fail(unavailable(error, repairAdvice(error)))
      })
    )

    /** The tables that a statement can name beside weather, by name, with their rows as long as they have no snapshot. */
    const listTables = Effect.fnUntraced(function* (applied: ReadonlyArray<AppliedStream>) {
      const made = yield* Effect.provideService(OtherTables.listNames, DataFolder, folder)
      const empty = new Map(made.map((name): [string, TableRows | undefined] => [name, undefined]))
      for (const stream of applied) empty.set(stream.definition.name, emptyRows(TableSpec.make(stream).schema.fields))
      empty.delete(weather)
      return new Map([...empty].sort(([a], [b]) => (a < b ? -1 : 1)))
    }, Effect.mapError(unavailable))

    const execute = Effect.fn("Query.execute")(function* (sql: string, options?: { readonly asOf?: AsOf | undefined }) {
      if (trimmed(sql) === "") {
        return yield* QueryFailed.because("There is no statement. Give one, for example SELECT * FROM weather.")
      }
      if (isShowCatalogs(sql)) return catalogs
      const asOf = options?.asOf
      const applied = yield* Effect.mapError(streams.all, (error) => unavailable(error))
      const tables = yield* listTables(applied)
      const states = yield* Effect.provideService(stateTables(sql, applied), DataFolder, folder)
      const named = [...tables.keys()].filter((name) => OtherTables.mentions(sql, name))
      // A rebuilt table can be read where the old one cannot.
      const isWeatherNamed = (named.length === 0 && states.length === 0) || OtherTables.mentions(sql, weather)
      const ofStreams = named.filter((name) => tables.get(name) !== undefined)
      if (!isWeatherNamed && ofStreams.length === 0 && asOf !== undefined) {
        return yield* QueryFailed.because(`Only the table ${weather} can be read as of an older snapshot.`)
      }
      if (asOf?._tag === "Snapshot" && ofStreams.length + (isWeatherNamed ? 1 : 0) > 1) {
        return yield* QueryFailed.because(
          "A snapshot belongs to one table, but the statement names several; give a time instead."
        )
      }
      const hasStreams = [...tables.values()].some((empty) => empty !== undefined)
      const isNeeded = asOf !== undefined || !hasStreams || OtherTables.mentions(sql, weather)
      const ofWeather = isWeatherNamed
        ? yield* rows(folder.table, asOf, isNeeded ? undefined : OtherTables.noRows)
        : OtherTables.noRows
      const others = yield* Effect.forEach(
        tables,
        Effect.fnUntraced(function* ([name, empty]) {
          // SHOW TABLES lists the tables that the statement does not name.
          if (!named.includes(name)) return { name, rows: empty ?? OtherTables.noRows }
          const tableFolder = folder.tableAt(name)
          if (empty !== undefined)
            return { name, rows: yield* rows(tableFolder, asOf, asOf === undefined ? empty : undefined) }
          yield* OtherTables.warnIfUnfinished(name, tableFolder)
          return { name, rows: yield* rows(tableFolder, undefined) }
        })
      )
      const engine = yield* QueryEngine.open(ofWeather, [...others, ...states])
      return yield* engine.execute(sql)
    })

    return Query.of({ execute })
  })
)
