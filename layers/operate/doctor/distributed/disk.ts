/** Check of the disks: room where Kafka keeps the log and MinIO the table. */
import { Effect } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import type { Topics } from "../../../../services/Topics.ts"
import { mebibytes } from "../../probes/mebibytes.ts"
import type { Drive } from "../../storage/diskUsage.ts"

export const disk = (
  topics: Topics["Service"],
  drives: Effect.Effect<ReadonlyArray<Drive>>,
  roomBytes: number
): Check => ({
  name: "disk",
  ok: `The disks of Kafka and of MinIO have room: more than ${mebibytes(roomBytes)} each, as far as they tell.`,
  needs: ["kafka"],
  run: Effect.gen(function* () {
    const [ofKafka, ofMinio] = yield* Effect.all([topics.disks, drives], { concurrency: 2 })
    const findings: Array<Finding> = []
    for (const { broker, folder, freeBytes } of ofKafka) {
      if (freeBytes === null || freeBytes >= roomBytes) continue
      findings.push({
        finding: `The disk of Kafka's broker ${broker} has ${mebibytes(freeBytes)} left, at ${folder}.`,
        consequence: "When it is full, the broker ends: events are refused with 503.",
        fix: "Make room (docker system df shows what images and volumes take, docker image prune removes images that nobody uses), or move Docker's data to a larger disk."
      })
    }
    for (const { folder, freeBytes } of ofMinio) {
      if (freeBytes >= roomBytes) continue
      findings.push({
        finding: `The disk of MinIO has ${mebibytes(freeBytes)} left, at ${folder}.`,
        consequence: "When it is full, nothing can be committed to the table; events are logged nevertheless.",
        fix: "Make room as for Kafka; floe maintain removes files of the table that nobody needs."
      })
    }
    return findings
  })
})
