/** Waits until a stopped connector has left its consumer groups. */
import { Effect, Option, Schedule, Schema } from "effect"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { monotonic } from "../../runtime/elapsed.ts"

/** Tasks end within seconds; Kafka keeps the readers of a killed worker for 10 s more, at most 45. */
export const leaving = Schedule.spaced("500 millis").pipe(Schedule.upTo({ duration: "90 seconds" }), monotonic)

class ReadersLeft extends Schema.TaggedError<ReadersLeft>()("ReadersLeft", {
  groups: Schema.Array(Schema.String)
}) {
  override get message() {
    return `Readers are still in the groups ${this.groups.join(" and ")} although their connector is stopped; end them with docker compose restart kafka-connect.`
  }
}

/** The number of members in these groups together. */
export const count = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
  const { find } = yield* ConsumerGroups
  const groups = yield* Effect.forEach(ids, find)
  return groups.reduce((all, group) => all + (Option.isSome(group) ? group.value.members.length : 0), 0)
})

/** Waits until `readers` counts none; fails with ReadersLeft after 90 seconds. */
export const none = <E, R>(groups: ReadonlyArray<string>, readers: Effect.Effect<number, E, R>) =>
  Effect.repeat(readers, { schedule: leaving, until: (count) => count === 0 }).pipe(
    Effect.flatMap((left) => (left > 0 ? Effect.fail(new ReadersLeft({ groups })) : Effect.void))
  )
