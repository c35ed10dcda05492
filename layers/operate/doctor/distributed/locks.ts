/** Check of the metastore's locks: none that a writer which is gone has left behind. */
import { Clock, Effect } from "effect"
import type { Check } from "../../../../services/Checks.ts"
import type { HiveLock, Metastore } from "../../../../services/Metastore.ts"
import { weather } from "../../../../services/TableReader.ts"

/** A writer sends a heartbeat every 20 seconds, and after 60 the metastore gives its lock up. */
const silentMillis = 45_000

const isOfTable = ({ schema, table }: HiveLock) => schema === "default" && (table === null || table === weather)

export const locks = (metastore: Metastore["Service"]): Check => ({
  name: "locks",
  ok: `Nobody who is gone holds a lock on default.${weather} in the metastore.`,
  needs: ["metastore", "postgres"],
  run: Effect.gen(function* () {
    const all = yield* metastore.locks
    const now = yield* Clock.currentTimeMillis
    const silent = ({ heartbeatAt, acquiredAt }: HiveLock) => now - (heartbeatAt ?? acquiredAt ?? 0)
    return all
      .filter((lock) => isOfTable(lock) && silent(lock) > silentMillis)
      .map((lock) => ({
        finding: `Lock ${lock.id} on default.${lock.table ?? "*"} (${lock.state}, of ${lock.user} at ${lock.host}) has had no heartbeat for ${Math.round(silent(lock) / 1000)} s: who took it is gone.`,
        consequence: "Until it is given up nothing can be committed to the table.",
        fix: `Wait half a minute, as the metastore gives it up by itself; where it does not: \`docker exec postgres psql --username hive --dbname hive --command "DELETE FROM hive_locks WHERE hl_lock_ext_id = ${lock.id}"\``
      }))
  })
})
