/** Waiting until nobody reads for a connector any more. */
import { Effect, Option, Schedule, Schema } from "effect"
import type { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { monotonic } from "../../runtime/elapsed.ts"

/** Tasks end within seconds; the readers of a worker that was killed are known for 10 s more, and at most 45. */
export const leaving = Schedule.spaced("500 millis").pipe(Schedule.upTo({ duration: "90 seconds" }), monotonic)

class ReadersLeft extends Schema.TaggedError<ReadersLeft>()("ReadersLeft", {
  groups: Schema.Array(Schema.String)
}) {
  override get message() {
    return `Readers are still in the groups ${this.groups.join(" and ")} although their connector is stopped; docker compose restart kafka-connect ends them.`
  }
}

/** How many members these groups have together. */
export const count = Effect.fnUntraced(function* (groups: ConsumerGroups["Service"], ids: ReadonlyArray<string>) {
  const found = yield* Effect.forEach(ids, groups.find)
  return found.reduce((all, group) => all + (Option.isSome(group) ? group.value.members.length : 0), 0)
})

/** `readers` counts them. */
export const none = <E, R>(groups: ReadonlyArray<string>, readers: Effect.Effect<number, E, R>) =>
  Effect.repeat(readers, { schedule: leaving, until: (count) => count === 0 }).pipe(
    Effect.flatMap((left) => (left > 0 ? Effect.fail(new ReadersLeft({ groups })) : Effect.void))
  )
