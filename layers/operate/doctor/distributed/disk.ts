/** Check of the disks: room where Kafka keeps the log and MinIO the table. */
import { Effect } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { Topics } from "../../../../services/Topics.ts"
import { mebibytes } from "../../probes/mebibytes.ts"
import { diskUsage } from "../../storage/diskUsage.ts"

export const disk = (roomBytes: number) => ({
  name: "disk",
  ok: `Each disk of Kafka and MinIO that reports its free space has more than ${mebibytes(roomBytes)}.`,
  needs: ["kafka"],
  run: Effect.gen(function* () {
    const [ofKafka, ofMinio] = yield* Effect.all([(yield* Topics).disks, diskUsage], { concurrency: 2 })
    const findings: Array<Finding> = []
    for (const { broker, folder, freeBytes } of ofKafka) {
      if (freeBytes === null || freeBytes >= roomBytes) continue
      findings.push({
        finding: `The disk of Kafka's broker ${broker} has ${mebibytes(freeBytes)} left, at ${folder}.`,
        consequence: "When it is full, the broker stops and the server answers 503 to events.",
        fix: "Make room (docker system df shows how much images and volumes take, docker image prune removes unused images), or move Docker's data to a larger disk."
      })
    }
    for (const { folder, freeBytes } of ofMinio) {
      if (freeBytes >= roomBytes) continue
      findings.push({
        finding: `The disk of MinIO has ${mebibytes(freeBytes)} left, at ${folder}.`,
        consequence: "When it is full, nothing can be committed to the table; events are still logged.",
        fix: "Make room as for Kafka; floe maintain removes table files that are no longer needed."
      })
    }
    return findings
  })
})
