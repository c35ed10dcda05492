/** Check of the metastore's locks: none left behind by a writer that is gone. */
import { Clock, Effect } from "effect"
import { type HiveLock, Metastore } from "../../../../services/Metastore.ts"
import { weather } from "../../../../services/TableReader.ts"

/** A writer sends a heartbeat every 20 seconds; the metastore releases its lock after 60 without one. */
const silentMillis = 45_000

const isOfTable = ({ schema, table }: HiveLock) => schema === "default" && (table === null || table === weather)

export const locks = {
  name: "locks",
  ok: `No lock on default.${weather} in the metastore is left over from a writer that is gone.`,
  needs: ["metastore", "postgres"],
  run: Effect.gen(function* () {
    const all = yield* (yield* Metastore).locks
    const now = yield* Clock.currentTimeMillis
    const silent = ({ heartbeatAt, acquiredAt }: HiveLock) => now - (heartbeatAt ?? acquiredAt ?? 0)
    return all
      .filter((lock) => isOfTable(lock) && silent(lock) > silentMillis)
      .map((lock) => ({
        finding: `Lock ${lock.id} on default.${lock.table ?? "*"} (${lock.state}, of ${lock.user} at ${lock.host}) has had no heartbeat for ${Math.round(silent(lock) / 1000)} s: its writer is gone.`,
        consequence: "Nothing can be committed to the table until the lock is released.",
        fix: `Wait half a minute for the metastore to release it; if it does not: \`docker exec postgres psql --username hive --dbname hive --command "DELETE FROM hive_locks WHERE hl_lock_ext_id = ${lock.id}"\``
      }))
  })
}
