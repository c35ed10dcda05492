/** The rows that other programs have added to a table and deleted from it, read from the files that their snapshots name. */
import { Effect, Schema, Stream } from "effect"
import { Leases } from "../../../services/Leases.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import type { OtherChange } from "../../../services/TableChecksums.ts"
import * as Metadata from "../iceberg/Metadata.ts"
import type { CurrentMetadata } from "../iceberg/MetadataFiles.ts"
import { othersBehind } from "../iceberg/otherSnapshots.ts"
import { changedFiles, engineOf, exist } from "../iceberg/otherWriters.ts"
import { type RowSql, rowSql } from "./checksumSql.ts"
import * as QueryEngine from "./QueryEngine.ts"
import { logRows, type TableRows } from "./tableRows.ts"

interface OtherRows {
  readonly snapshotId: string
  readonly by: string
  /** The counts in its summary, which include rows that it only moved to other files. */
  readonly reported: OtherChange
  readonly before: TableRows
  readonly after: TableRows
}

/** Both oldest first. */
export interface Others {
  readonly sql: RowSql
  readonly rows: ReadonlyArray<OtherRows>
  /** Changes whose rows are unknown, with the counts in their summaries. */
  readonly unreadable: ReadonlyArray<OtherChange>
  /** The oldest kept snapshot, if other programs may have changed rows in expired ones before it. */
  readonly cutAt: string | undefined
}

const reportedBy = (snapshot: Metadata.Snapshot): OtherChange => {
  const count = (...keys: ReadonlyArray<string>) =>
    keys.reduce((sum, key) => sum + (Metadata.countOf(snapshot, key) ?? 0), 0)
  return {
    snapshotId: String(snapshot["snapshot-id"]),
    by: engineOf(snapshot),
    added: count("added-records"),
    deleted: count("deleted-records", "added-position-deletes", "added-equality-deletes")
  }
}

/** Leases keep the files of the snapshots until the scope closes. */
export const find = Effect.fn("otherRows.find")(function* (
  tableFolder: string,
  { metadata, snapshot }: Pick<CurrentMetadata, "metadata" | "snapshot">,
  stream: AppliedStream
) {
  const leases = yield* Leases
  const { cutAt, snapshots } = othersBehind(metadata, snapshot)
  const rows: Array<OtherRows> = []
  const unreadable: Array<OtherChange> = []
  for (const one of snapshots.toReversed()) {
    const parent = metadata.snapshots.find((kept) => kept["snapshot-id"] === one["parent-snapshot-id"])
    for (const held of parent === undefined ? [one] : [parent, one]) {
      // Without a lease the read fails if the snapshot expires meanwhile.
      yield* Effect.ignore(leases.hold(String(held["snapshot-id"])))
    }
    const readRows = Effect.gen(function* () {
      const changed = yield* changedFiles(tableFolder, metadata, one)
      if (!(yield* exist(changed))) return undefined
      const { after, before } = changed
      return { before: yield* logRows(tableFolder, before, stream), after: yield* logRows(tableFolder, after, stream) }
    })
    const read = yield* Effect.catchTag(readRows, "TableBroken", () => Effect.succeed(undefined))
    const reported = reportedBy(one)
    if (read === undefined) unreadable.push(reported)
    else rows.push({ ...read, snapshotId: reported.snapshotId, by: reported.by, reported })
  }
  const others: Others = {
    sql: rowSql(stream),
    rows,
    unreadable,
    cutAt: cutAt === undefined ? undefined : String(cutAt["snapshot-id"])
  }
  return others
})

/** Names that no column of a stream has. */
export const weight = `"floe weight"`
export const change = `"floe change"`

const weighted = ({ columns }: RowSql, n: number, other: string, { select }: TableRows) =>
  `SELECT ${n} AS ${weight}, ${other} AS ${change}, ${columns} FROM (${select})`

const byPath = (files: TableRows["files"]) => [...new Map(files.map((file) => [file.path, file])).values()]

/**
 * The rows that undo these changes, after those of `first` if it is given, each with the index of its change and its weight:
 * -1 for an added row and 1 for a deleted one. A row that was only moved to another file appears as both.
 */
export const undoing = (
  { rows: others, sql }: Pick<Others, "rows" | "sql">,
  first: TableRows | undefined
): TableRows => {
  const all = [...(first === undefined ? [] : [first]), ...others.flatMap(({ after, before }) => [before, after])]
  const parts = others.flatMap(({ after, before }, i) => [
    weighted(sql, 1, `${i}`, before),
    weighted(sql, -1, `${i}`, after)
  ])
  return {
    files: byPath(all.flatMap(({ files }) => files)),
    byId: byPath(all.flatMap(({ byId }) => byId)),
    select: [...(first === undefined ? [] : [weighted(sql, 1, "NULL::INTEGER", first)]), ...parts].join("\nUNION ALL ")
  }
}

const Hours = Schema.Array(Schema.Tuple([Schema.NullOr(Schema.String)]))
const Counts = Schema.Tuple([Schema.Tuple([Schema.FiniteFromString, Schema.FiniteFromString])])

/** How many rows each change added and deleted. Rows are compared only in hours whose checksums differ. */
export const count = Effect.fn("otherRows.count")(function* ({ rows: others, sql }: Others) {
  if (others.length === 0) return []
  const all = undoing({ rows: others, sql }, undefined)
  const rows = Effect.fnUntraced(function* (sql: string) {
    return yield* Stream.runCollect((yield* (yield* QueryEngine.open(all)).execute(sql)).rows)
  }, Effect.scoped)
  return yield* Effect.forEach(
    others,
    Effect.fnUntraced(function* ({ by, snapshotId }, i) {
      const hours = yield* rows(
        `SELECT ${sql.group} AS ts FROM weather WHERE ${change} = ${i} GROUP BY ALL
          HAVING sum(${weight}) <> 0 OR sum(${weight} * ${sql.checksum}) <> 0`
      )
      let [added, deleted] = [0, 0]
      for (const [ts] of yield* Schema.decodeUnknownEffect(Hours)(hours)) {
        const counts = yield* rows(
          `SELECT coalesce(sum(greatest(-n, 0)), 0)::VARCHAR, coalesce(sum(greatest(n, 0)), 0)::VARCHAR FROM (
            SELECT sum(${weight}) AS n FROM weather WHERE ${change} = ${i} AND ${sql.isIn(ts)} GROUP BY ${sql.checksum})`
        )
        const [[more, less]] = yield* Schema.decodeUnknownEffect(Counts)(counts)
        added += more
        deleted += less
      }
      return { snapshotId, by, added, deleted } satisfies OtherChange
    })
  )
})
