import { Effect, Layer, Option, Schema, Stream } from "effect"
import type { Position } from "../../../services/EventLog.ts"
import { Query } from "../../../services/Query.ts"
import { SinkCommits } from "../../../services/SinkCommits.ts"
import { TableReader, type TableSnapshot } from "../../../services/TableReader.ts"
import * as AsOf from "./asOf.ts"
import * as DataFiles from "./dataFiles.ts"
import * as Description from "./description.ts"
import * as Rows from "./rows.ts"
import * as Snapshots from "./snapshots.ts"

/** The current snapshot may be one of several merges after the sink's last commit. */
const someSnapshots = 100

const HistoryRow = Schema.Tuple([Rows.Whole, Schema.String, Schema.NullOr(Schema.String), Schema.Boolean])
const decodeCount = Schema.decodeUnknownOption(Rows.Whole)

/** What the summary counts; rows that were deleted by their position are still in their files, and count for themselves. */
const countsOf = (summary: Snapshots.Snapshot["summary"]) => {
  const count = (name: string) => Option.getOrNull(decodeCount(summary[name]))
  /** What did not change is not in the summary. */
  const change = (name: string) => (name in summary ? count(name) : 0)
  const sum = (...counts: ReadonlyArray<number | null>) =>
    counts.reduce((sum, count) => (sum === null || count === null ? null : sum + count))
  const less = (count: number | null) => (count === null ? null : -count)
  const isCounted = change("total-equality-deletes") === 0
  return {
    rowsAdded: change("added-records"),
    rowsRemoved: sum(
      change("deleted-records"),
      change("added-position-deletes"),
      less(change("removed-position-deletes"))
    ),
    filesAdded: change("added-data-files"),
    filesRemoved: change("deleted-data-files"),
    rows: isCounted ? sum(count("total-records"), less(change("total-position-deletes"))) : null,
    files: count("total-data-files"),
    bytes: count("total-files-size")
  }
}

const toSnapshot = (
  { committedAt, id, operation, parentId, summary }: Snapshots.Snapshot,
  log: TableSnapshot["log"]
): TableSnapshot => ({ id, parentId, committedAt, operation, ...countsOf(summary), log })

/** The table of this name in Trino's schema iceberg.default. */
export const at = (table: string) =>
  Layer.effect(
    TableReader,
    Effect.gen(function* () {
      const query = yield* Query
      const sinkCommits = yield* SinkCommits

      /** Snapshots of all that were read, with the log; without Kafka all else is known still. */
      const withLog = Effect.fnUntraced(function* (
        wanted: ReadonlyArray<Snapshots.Snapshot>,
        all: ReadonlyArray<Snapshots.Snapshot>
      ) {
        const commits = Snapshots.sinkCommits(all)
        const asked = new Set(wanted.flatMap(({ id }) => commits.get(id) ?? []))
        const positions = yield* sinkCommits
          .positions([...asked])
          .pipe(
            Effect.catch((error) =>
              Effect.as(
                Effect.logWarning(`${error.message} Log positions are left out.`),
                new Map<string, ReadonlyArray<Position>>()
              )
            )
          )
        return wanted.map((snapshot) => {
          const found = positions.get(commits.get(snapshot.id)?.id ?? "")
          return toSnapshot(snapshot, found === undefined ? null : { logId: null, positions: found })
        })
      })

      return TableReader.of({
        describe: Effect.withSpan(Description.read(query, table), "TableReader.describe"),
        current: Snapshots.read(query, table, someSnapshots).pipe(
          Effect.flatMap((some) =>
            withLog(
              some.filter(({ isCurrent }) => isCurrent),
              some
            )
          ),
          Effect.map(([current]) => Option.fromUndefinedOr(current)),
          Effect.catchTag("TableMissing", () => Effect.succeedNone),
          Effect.withSpan("TableReader.current")
        ),
        snapshots: Snapshots.read(query, table).pipe(
          Effect.flatMap((all) => withLog(all, all)),
          Effect.withSpan("TableReader.snapshots")
        ),
        history: Rows.all(
          query,
          { table, operation: "reading its history", row: HistoryRow },
          `SELECT ${Rows.millisOf("made_current_at")}, snapshot_id, parent_id, is_current_ancestor
FROM ${Rows.about(table, "history")} ORDER BY made_current_at DESC`
        ).pipe(
          Effect.map((entries) =>
            entries.map(([madeCurrentAt, snapshotId, parentId, isCurrentAncestor]) => ({
              madeCurrentAt,
              snapshotId,
              parentId,
              isCurrentAncestor
            }))
          ),
          Effect.withSpan("TableReader.history")
        ),
        files: (asOf) =>
          Effect.gen(function* () {
            const snapshotId = asOf === undefined ? undefined : yield* AsOf.find(query, table, asOf)
            const { location, partitioning } = yield* Description.read(query, table)
            return DataFiles.read(query, { table, location, isPartitioned: partitioning.length > 0 }, snapshotId)
          }).pipe(Stream.unwrap)
      })
    })
  )
