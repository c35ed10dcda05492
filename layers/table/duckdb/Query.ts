import { Effect, Layer, Stream } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Leases } from "../../../services/Leases.ts"
import { Query, QueryFailed, QueryUnavailable } from "../../../services/Query.ts"
import { type AsOf, weather } from "../../../services/TableReader.ts"
import { repairAdvice } from "../iceberg/repairAdvice.ts"
import { withLeasedSnapshot } from "../iceberg/SnapshotLease.ts"
import { readScan } from "../iceberg/TableScan.ts"
import * as OtherTables from "./otherTables.ts"
import * as QueryEngine from "./QueryEngine.ts"
import { isShowCatalogs, trimmed } from "./statement.ts"
import { allRows } from "./tableRows.ts"

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

    const rows = Effect.fnUntraced(
      function* (table: string, asOf: AsOf | undefined) {
        return yield* allRows(table, yield* readScan(table, yield* withLeasedSnapshot(table, asOf)))
      },
      Effect.provideService(Leases, leases),
      Effect.catchTags({
        TableMissing: ({ advice, table }) =>
          Effect.fail(new QueryUnavailable({ reason: `there is no table yet ${table}; ${advice}`, cause: undefined })),
        TableUnavailable: (error) => Effect.fail(unavailable(error)),
        TableBroken: (error) => Effect.fail(unavailable(error, repairAdvice(error)))
      })
    )

    const execute = Effect.fn("Query.execute")(function* (sql: string, options?: { readonly asOf?: AsOf | undefined }) {
      if (trimmed(sql) === "") {
        return yield* QueryFailed.because("There is no statement. Give one, for example SELECT * FROM weather.")
      }
      if (isShowCatalogs(sql)) return catalogs
      const names = yield* OtherTables.listNames.pipe(
        Effect.provideService(DataFolder, folder),
        Effect.mapError((error) => unavailable(error))
      )
      const named = names.filter((name) => OtherTables.mentions(sql, name))
      // A rebuilt table can be read where the old one cannot.
      const isWeatherNamed = named.length === 0 || OtherTables.mentions(sql, weather)
      if (!isWeatherNamed && options?.asOf !== undefined) {
        return yield* QueryFailed.because(`Only the table ${weather} can be read as of an older snapshot.`)
      }
      const ofWeather = isWeatherNamed ? yield* rows(folder.table, options?.asOf) : OtherTables.noRows
      const others = yield* Effect.forEach(
        names,
        Effect.fnUntraced(function* (name) {
          // SHOW TABLES lists the tables that the statement does not name.
          if (!named.includes(name)) return { name, rows: OtherTables.noRows }
          const tableFolder = folder.tableAt(name)
          yield* OtherTables.warnIfUnfinished(name, tableFolder)
          return { name, rows: yield* rows(tableFolder, undefined) }
        })
      )
      const engine = yield* QueryEngine.open(ofWeather, others)
      return yield* engine.execute(sql)
    })

    return Query.of({ execute })
  })
)
