/** A lock: the only member of a consumer group that reads nothing. Kafka releases it when the holder dies. */
import { type Duration, Effect, Schedule } from "effect"
import { monotonic } from "../../runtime/elapsed.ts"
import { Admin } from "./Admin.ts"
import { failureOf } from "./adminFailures.ts"
import { ignoreLateErrors } from "./connectionErrors.ts"

/** Milliseconds; a join may wait until the session of a dead member has expired. */
const session = { sessionTimeout: 10_000, rebalanceTimeout: 10_000, heartbeatInterval: 2_000, requestTimeout: 15_000 }
/** Longer than the session of a dead member. */
const waitLimit: Duration.Input = "12 seconds"

export const make = Effect.gen(function* () {
  const { ask, brokers, options } = yield* Admin

  const others = (id: string, self: string | null) =>
    Effect.map(
      ask("", (admin) => admin.describeGroups({ groups: [id] })),
      (groups) => [...(groups.get(id)?.members.keys() ?? [])].filter((member) => member !== self).length
    )

  const joined = (groupId: string) =>
    Effect.acquireRelease(
      Effect.tryPromise({
        try: async () => {
          const { Consumer } = await import("@platformatic/kafka")
          const consumer = new Consumer({ ...options, ...session, groupId })
          // The consumer retries by itself; an unhandled error event would end the process.
          consumer.on("error", () => {})
          ignoreLateErrors(consumer)
          try {
            await consumer.joinGroup()
          } catch (cause) {
            await consumer.close(true).catch(() => {})
            throw cause
          }
          return consumer
        },
        catch: (cause) => failureOf(cause, brokers, "")
      }),
      (consumer) => Effect.promise(() => consumer.close(true).catch(() => {}))
    )

  /** Joins an empty group and checks again: of two that join at once, at least one sees the other. */
  return Effect.fnUntraced(function* (id: string) {
    const before = yield* Effect.repeat(others(id, null), {
      schedule: Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: waitLimit }), monotonic),
      until: (count) => count === 0
    })
    if (before > 0) return false
    const { memberId } = yield* joined(id)
    return (yield* others(id, memberId)) === 0
  })
})
