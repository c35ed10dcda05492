/** The rows that other programs than Floe have added to a table and deleted from it, from the files that their snapshots name. */
import { Effect, Schema, Stream } from "effect"
import { Leases } from "../../../services/Leases.ts"
import type { OtherChange } from "../../../services/TableChecksums.ts"
import * as Metadata from "../iceberg/Metadata.ts"
import type { CurrentMetadata } from "../iceberg/MetadataFiles.ts"
import { othersBehind } from "../iceberg/otherSnapshots.ts"
import { areThere, changedFiles, engineOf } from "../iceberg/otherWriters.ts"
import { checksum, hourIs } from "./checksumSql.ts"
import * as QueryEngine from "./QueryEngine.ts"
import { logRows, type TableRows } from "./tableRows.ts"

interface OtherRows {
  readonly snapshotId: string
  readonly by: string
  /** By its summary: with the rows that it has only written into other files. */
  readonly says: OtherChange
  /** The rows of the files that it changed, without and with it. */
  readonly before: TableRows
  readonly after: TableRows
}

/** Both oldest first. */
export interface Others {
  readonly rows: ReadonlyArray<OtherRows>
  /** Those whose rows cannot be known, with the rows of the files that they say that they have changed. */
  readonly unreadable: ReadonlyArray<OtherChange>
  /** The oldest snapshot that is kept, where those before it have expired: others may have changed rows in them. */
  readonly cutAt: string | undefined
}

const asItSays = (snapshot: Metadata.Snapshot): OtherChange => {
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
  { metadata, snapshot }: Pick<CurrentMetadata, "metadata" | "snapshot">
) {
  const leases = yield* Leases
  const { cutAt, snapshots } = othersBehind(metadata, snapshot)
  const rows: Array<OtherRows> = []
  const unreadable: Array<OtherChange> = []
  for (const one of snapshots.toReversed()) {
    const parent = metadata.snapshots.find((kept) => kept["snapshot-id"] === one["parent-snapshot-id"])
    for (const held of parent === undefined ? [one] : [parent, one]) {
      // Without a lease its files may go while they are read, which then fails.
      yield* Effect.ignore(leases.hold(String(held["snapshot-id"])))
    }
    const read = Effect.gen(function* () {
      const changed = yield* changedFiles(tableFolder, metadata, one)
      if (!(yield* areThere(changed))) return undefined
      const { after, before } = changed
      return { before: yield* logRows(tableFolder, before), after: yield* logRows(tableFolder, after) }
    })
    // Its own files may have expired as well, or it has such as Floe does not read.
    const found = yield* Effect.catchTag(read, "TableBroken", () => Effect.succeed(undefined))
    const says = asItSays(one)
    if (found === undefined) unreadable.push(says)
    else rows.push({ ...found, snapshotId: says.snapshotId, by: says.by, says })
  }
  const others: Others = { rows, unreadable, cutAt: cutAt === undefined ? undefined : String(cutAt["snapshot-id"]) }
  return others
})

/** With `n` and `other` before the columns of the log. */
const signed = (n: number, other: string, { select }: TableRows) =>
  `SELECT ${n} AS n, ${other} AS other, city, temperature, ts FROM (${select})`

const byPath = (files: TableRows["files"]) => [...new Map(files.map((file) => [file.path, file])).values()]

/**
 * What undoes the changes, by the place of each among them in `other`: `n` is -1 for a row that was added and 1 for one that
 * was deleted. A statement that rewrites files has the rows that stay as both. Behind `first`, where there is one.
 */
export const undoing = (others: Others["rows"], first: TableRows | undefined): TableRows => {
  const all = [...(first === undefined ? [] : [first]), ...others.flatMap(({ after, before }) => [before, after])]
  const parts = others.flatMap(({ after, before }, i) => [signed(1, `${i}`, before), signed(-1, `${i}`, after)])
  return {
    files: byPath(all.flatMap(({ files }) => files)),
    byId: byPath(all.flatMap(({ byId }) => byId)),
    select: [...(first === undefined ? [] : [signed(1, "NULL::INTEGER", first)]), ...parts].join("\nUNION ALL ")
  }
}

const Hours = Schema.Array(Schema.Tuple([Schema.NullOr(Schema.String)]))
const Counts = Schema.Tuple([Schema.Tuple([Schema.FiniteFromString, Schema.FiniteFromString])])

/** How many rows each has changed: counted one by one only in the hours that it has changed. */
export const count = Effect.fn("otherRows.count")(function* (others: Others["rows"]) {
  if (others.length === 0) return []
  const all = undoing(others, undefined)
  // An engine takes one statement.
  const rows = Effect.fnUntraced(function* (sql: string) {
    return yield* Stream.runCollect((yield* (yield* QueryEngine.open(all)).execute(sql)).rows)
  }, Effect.scoped)
  return yield* Effect.forEach(
    others,
    Effect.fnUntraced(function* ({ by, snapshotId }, i) {
      const hours = yield* rows(
        `SELECT ts FROM weather WHERE other = ${i} GROUP BY ts HAVING sum(n) <> 0 OR sum(n * ${checksum}) <> 0`
      )
      let [added, deleted] = [0, 0]
      for (const [ts] of yield* Schema.decodeUnknownEffect(Hours)(hours)) {
        const counts = yield* rows(
          `SELECT coalesce(sum(greatest(-n, 0)), 0)::VARCHAR, coalesce(sum(greatest(n, 0)), 0)::VARCHAR FROM (
            SELECT sum(n) AS n FROM weather WHERE other = ${i} AND ${hourIs(ts)} GROUP BY ${checksum})`
        )
        const [[more, less]] = yield* Schema.decodeUnknownEffect(Counts)(counts)
        added += more
        deleted += less
      }
      return { snapshotId, by, added, deleted } satisfies OtherChange
    })
  )
})
