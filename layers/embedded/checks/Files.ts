/** Check of the table's upkeep: small files and snapshots. */
import { Clock, Effect, Option, Stream } from "effect"
import type { Check, Finding } from "../../../services/Checks.ts"
import type { TableReader } from "../../../services/TableReader.ts"
import { hourOf } from "../../../services/Weather.ts"

const smallBytes = 1024 * 1024
/** After its hour has ended a partition is merged into few files within minutes; while it grows it has some of each size. */
const settleMillis = 60 * 60 * 1000

export interface FilesOptions {
  readonly table: TableReader["Service"]
  /** Small files of a partition: of one that has ended, and of one that grows. */
  readonly ended: number
  readonly growing: number
  readonly snapshots: number
}

export const files = ({ table, ended, growing, snapshots }: FilesOptions): Check => ({
  name: "files",
  well: "The table has neither too many small files nor too many snapshots.",
  run: Effect.gen(function* () {
    if (Option.isNone(yield* table.current)) return []
    const small = new Map<string, number>()
    yield* Stream.runForEach(table.files(), ({ partition, bytes }) =>
      Effect.sync(() => {
        if (bytes < smallBytes) small.set(partition, (small.get(partition) ?? 0) + 1)
      })
    )
    const now = yield* Clock.currentTimeMillis
    const oldest = `ts=${hourOf(now - settleMillis)}`
    const crowded = [...small].filter(([partition, count]) => count > (partition < oldest ? ended : growing))
    const findings: Array<Finding> = []
    if (crowded.length > 0) {
      const count = crowded.reduce((sum, [, count]) => sum + count, 0)
      const [worst = ["", 0]] = crowded.toSorted((a, b) => b[1] - a[1])
      findings.push({
        finding: `${crowded.length} ${crowded.length === 1 ? "partition has" : "partitions have"} ${count} small files; ${worst[0]} alone has ${worst[1]}.`,
        consequence: "Queries get slow: each file is opened for its own.",
        mend: "floe maintain"
      })
    }
    const kept = (yield* table.snapshots).length
    if (kept > snapshots) {
      findings.push({
        finding: `The table keeps ${kept} snapshots.`,
        consequence: "Each commit writes the names of all of them, and the files of old ones take room.",
        mend: "Set FLOE_SNAPSHOT_KEEP lower (100 is the default), start the sink again, and run floe maintain."
      })
    }
    return findings
  })
})
