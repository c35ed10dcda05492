import { Effect, Layer, Option, Schema, Stream } from "effect"
import type { Position } from "../../../services/EventLog.ts"
import type { Query } from "../../../services/Query.ts"
import type { SinkCommits } from "../../../services/SinkCommits.ts"
import { TableReader, type TableSnapshot } from "../../../services/TableReader.ts"
import * as AsOf from "./asOf.ts"
import * as DataFiles from "./dataFiles.ts"
import * as Description from "./description.ts"
import { positionsIn } from "./logPositions.ts"
import * as Rows from "./rows.ts"
import * as Snapshots from "./snapshots.ts"

/** Enough to reach the sink's last commit behind a run of merges. */
const recentSnapshots = 100

const HistoryRow = Schema.Tuple([Rows.Whole, Schema.String, Schema.NullOr(Schema.String), Schema.Boolean])
const decodeCount = Schema.decodeUnknownOption(Rows.Whole)

/** Rows deleted by position are still in their data files, so they are counted apart. */
const countsOf = (summary: Snapshots.Snapshot["summary"]) => {
  const count = (name: string) => Option.getOrNull(decodeCount(summary[name]))
  /** A count that did not change is not in the summary. */
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

/** Reads the table of this name in Trino's schema iceberg.default. */
export const at = (table: string) =>
  Layer.effect(
    TableReader,
    Effect.gen(function* () {
      const services = yield* Effect.context<Query | SinkCommits>()

      const withLog = Effect.fnUntraced(function* (
        wanted: ReadonlyArray<Snapshots.Snapshot>,
        all: ReadonlyArray<Snapshots.Snapshot>
      ) {
        const commits = Snapshots.sinkCommits(all)
        const asked = new Set(wanted.flatMap(({ id }) => commits.get(id) ?? []))
        const positions = yield* positionsIn(table, [...asked]).pipe(
          Effect.catch((error) =>
            Effect.as(
              Effect.logWarning(`${error.message} Log positions are left out.`),
              new Map<string, ReadonlyArray<Position>>()
            )
          )
        )
        return wanted.map((snapshot) => {
          const known = positions.get(commits.get(snapshot.id)?.id ?? "")
          return toSnapshot(snapshot, known === undefined ? null : { logId: null, positions: known })
        })
      })

      return TableReader.of({
        describe: Description.read(table).pipe(Effect.withSpan("TableReader.describe"), Effect.provide(services)),
        current: Snapshots.read(table, recentSnapshots).pipe(
          Effect.flatMap((some) =>
            withLog(
              some.filter(({ isCurrent }) => isCurrent),
              some
            )
          ),
          Effect.map(([current]) => Option.fromUndefinedOr(current)),
          Effect.catchTag("TableMissing", () => Effect.succeedNone),
          Effect.withSpan("TableReader.current"),
          Effect.provide(services)
        ),
        snapshots: Snapshots.read(table).pipe(
          Effect.flatMap((all) => withLog(all, all)),
          Effect.withSpan("TableReader.snapshots"),
          Effect.provide(services)
        ),
        history: Rows.all(
          { table, operation: "reading its history", row: HistoryRow },
          `SELECT ${Rows.millisOf("made_current_at")}, snapshot_id, parent_id, is_current_ancestor
FROM ${Rows.metadataTable(table, "history")} ORDER BY made_current_at DESC`
        ).pipe(
          Effect.map((entries) =>
            entries.map(([madeCurrentAt, snapshotId, parentId, isCurrentAncestor]) => ({
              madeCurrentAt,
              snapshotId,
              parentId,
              isCurrentAncestor
            }))
          ),
          Effect.withSpan("TableReader.history"),
          Effect.provide(services)
        ),
        files: (asOf) =>
          Effect.gen(function* () {
            const snapshotId = asOf === undefined ? undefined : yield* AsOf.find(table, asOf)
            const { location, partitioning } = yield* Description.read(table)
            return DataFiles.read({ table, location, partitioning }, snapshotId)
          }).pipe(Stream.unwrap, Stream.provideContext(services))
      })
    })
  )
