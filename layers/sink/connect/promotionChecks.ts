/** What a promotion requires of the old table and the new one. */
import { Effect } from "effect"
import { Connector } from "../../../services/Connector.ts"
import { type Discards, RebuildRefused } from "../../../services/Rebuild.ts"
import { describeChange } from "../../../services/TableChecksums.ts"
import { weather } from "../../../services/TableReader.ts"
import { plural } from "../../runtime/plural.ts"
import * as LostRows from "../../table/trino/lostRows.ts"
import * as OtherWriters from "../../table/trino/otherWriters.ts"
import * as RebuildTable from "../../table/trino/rebuildTable.ts"
import * as RebuildRun from "./RebuildRun.ts"
import type { Names } from "./rebuildConnector.ts"
import { continues, retryWhileUnavailable } from "./rebuildFailures.ts"
import type { RebuildTarget } from "./rebuildTarget.ts"

const shownChanges = 3

const refuse = (reason: string) => Effect.fail(new RebuildRefused({ reason }))

/** Refuses to undo what another program changed in the stream's table. */
export const requireNoOtherWriters = Effect.fnUntraced(function* (name: string, discard: Discards) {
  if (!(yield* RebuildTable.exists(name)) || discard.otherWriters === true) return
  const others = yield* OtherWriters.find(name)
  if (others.length === 0) return
  const changes = [
    ...others.slice(0, shownChanges).map(describeChange),
    ...(others.length > shownChanges ? [`${others.length - shownChanges} more`] : [])
  ]
  return yield* refuse(
    `Another program changed default.${name} (${changes.join("; ")}). The log does not have these changes, and promoting the rebuilt table would undo them. Nothing was changed; to discard them, run the same command with --discard-other-writers.`
  )
})

/** Checks, before the sink is stopped, what would otherwise fail only after it. */
export const requirePromotable = Effect.fnUntraced(function* (target: RebuildTarget, names: Names, discard: Discards) {
  const { name } = target
  const { connector, table } = names
  const { config } = yield* Connector
  yield* Effect.catchTag(config(target.sink.connector), "ConnectorMissing", (error) => refuse(error.message))
  yield* Effect.catchTag(config(connector), "ConnectorMissing", () =>
    refuse(`There is no rebuild into ${table} to put in place; start one with floe rebuild --into ${table} --promote.`)
  )
  yield* RebuildRun.requireSameColumns(target, names)
  const { hours, most } = yield* RebuildTable.hours(table)
  if (hours > most) {
    return yield* refuse(
      `default.${table} has ${hours} ${name === weather ? "hours" : "partitions"}, and Trino writes at most ${most} at once: set iceberg.max-partitions-per-writer to ${hours * 2} in its catalog file and restart it; then ${continues}.`
    )
  }
  yield* requireNoOtherWriters(name, discard)
})

/** Refuses to lose rows of the old table, once the new one has all that the log has. */
export const requireNoLostRows = Effect.fnUntraced(function* (
  { name, stream }: RebuildTarget,
  table: string,
  discard: Discards,
  onProgress: (step: string) => Effect.Effect<void>
) {
  if (discard.missingRows === true || !(yield* retryWhileUnavailable(RebuildTable.exists(name)))) return
  yield* onProgress(`looking for rows that only default.${name} has`)
  const lost = yield* retryWhileUnavailable(LostRows.count(table, stream))
  const written =
    discard.otherWriters === true
      ? (yield* retryWhileUnavailable(OtherWriters.find(name))).reduce((sum, { added }) => sum + added, 0)
      : 0
  if (lost <= written) return
  return yield* refuse(
    `default.${name} has ${plural(lost, "row that is", "rows that are")} not in the log, and so not in default.${table}. Nothing was changed. To keep them, run floe query "CREATE TABLE ${name}_before AS SELECT * FROM ${name}"; then run the same command with --discard-missing-rows.`
  )
})
