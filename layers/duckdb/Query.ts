import { Effect, Layer, Option, Stream } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { Leases } from "../../services/Leases.ts"
import { Query, QueryFailed, QueryUnavailable } from "../../services/Query.ts"
import { readMetadata, readTable } from "../iceberg/TableReader.ts"
import * as QueryEngine from "./QueryEngine.ts"
import { isShowCatalogs, trimmed } from "./Statement.ts"

const catalogs = {
  columns: [{ name: "Catalog", type: "VARCHAR" }],
  rows: Stream.make(["iceberg"], ["system"])
}

const unavailable = Effect.mapError(
  (error: Error) => new QueryUnavailable({ reason: error.message.replace(/\.$/, ""), cause: error })
)

export const layer = Layer.effect(
  Query,
  Effect.gen(function* () {
    const { table } = yield* DataFolder
    const leases = yield* Leases

    /** The newest snapshot, under a lease; read again when it expired before the lease was there. */
    const leased = Effect.gen(function* () {
      for (;;) {
        const snapshot = yield* unavailable(readTable(table))
        if (Option.isNone(snapshot)) {
          return yield* new QueryUnavailable({
            reason: `there is no table yet at ${table}; start the sink (npm start) and log a record`,
            cause: undefined
          })
        }
        const { snapshotId, files } = snapshot.value
        yield* unavailable(leases.hold(snapshotId))
        const now = yield* unavailable(readMetadata(table))
        const kept = Option.exists(now, ({ metadata }) =>
          metadata.snapshots.some((kept) => kept["snapshot-id"] === snapshotId)
        )
        if (kept) return files
      }
    })

    const execute = Effect.fn("Query.execute")(function* (sql: string) {
      if (trimmed(sql) === "") {
        return yield* new QueryFailed({ reason: "There is no statement; give one such as SELECT * FROM weather." })
      }
      if (isShowCatalogs(sql)) return catalogs
      const engine = yield* QueryEngine.open(yield* leased)
      return yield* engine.execute(sql)
    })

    return Query.of({ execute })
  })
)
