/** Check of the table's upkeep: small files and snapshots. */
import { Clock, Effect, Stream } from "effect"
import type { Finding } from "../../../services/Checks.ts"
import type { QueryError } from "../../../services/Query.ts"
import { type SnapshotMissing, type TableReadError, TableReader } from "../../../services/TableReader.ts"
import { hourOf } from "../../../services/Weather.ts"
import { plural } from "../../runtime/plural.ts"

const smallBytes = 1024 * 1024
/** Within minutes of the end of its hour, a partition's files are merged into a few; until then it has files of every size. */
const settleMillis = 60 * 60 * 1000

export interface FilesOptions<R> {
  /** Small files of a partition: of one that has ended, and of one that grows. */
  readonly ended: number
  readonly growing: number
  /** Of the whole table, those above one for each partition. */
  readonly total: number
  readonly snapshots: number
  /** How many snapshots the table has. */
  readonly kept: Effect.Effect<number, TableReadError | QueryError | SnapshotMissing, R>
  /** How to have fewer snapshots. */
  readonly fewer: string
}

export const files = <R>({ ended, growing, total, snapshots, kept, fewer }: FilesOptions<R>) => ({
  name: "files",
  ok: "The table has neither too many small files nor too many snapshots.",
  needs: ["table"],
  run: Effect.gen(function* () {
    const table = yield* TableReader
    const small = new Map<string, number>()
    const listed = Stream.runForEach(table.files(), ({ partition, bytes }) =>
      Effect.sync(() => {
        if (bytes < smallBytes) small.set(partition, (small.get(partition) ?? 0) + 1)
      })
    )
    const [count] = yield* Effect.all([kept, listed], { concurrency: 2 })
    const now = yield* Clock.currentTimeMillis
    const oldest = `ts=${hourOf(now - settleMillis)}`
    const excess = [...small].reduce((sum, [, count]) => sum + count - 1, 0)
    const crowded = [...small].filter(
      ([partition, count]) => count > (excess > total ? 1 : partition < oldest ? ended : growing)
    )
    const findings: Array<Finding> = []
    if (crowded.length > 0) {
      const all = crowded.reduce((sum, [, count]) => sum + count, 0)
      const [worst = ["", 0]] = crowded.toSorted((a, b) => b[1] - a[1])
      findings.push({
        finding: `${plural(crowded.length, "partition has", "partitions have")} ${plural(all, "small file")}; ${worst[0]} alone has ${worst[1]}.`,
        consequence: "Queries get slow, because each file is opened separately.",
        fix: "floe maintain"
      })
    }
    if (count > snapshots) {
      findings.push({
        finding: `The table keeps ${plural(count, "snapshot")}.`,
        consequence: "Each commit lists all of them, and the files of old ones take up disk space.",
        fix: fewer
      })
    }
    return findings
  }).pipe(Effect.catchTag("TableMissing", () => Effect.succeed([])))
})
