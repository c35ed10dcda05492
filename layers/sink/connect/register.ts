/**
 * Giving a sink new settings. Kafka Connect would end its old tasks and start the new ones side by side, and a task's
 * coordinator that outlives it is a second one: so the connector is stopped, and started once its groups are empty.
 */
import { Effect, Option, Schedule, Schema } from "effect"
import { Connector, type ConnectorConfig, ConnectorInvalid } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { monotonic, monotonicMillis } from "../../runtime/elapsed.ts"
import { same } from "./Connector.ts"
import * as Readers from "./readers.ts"

/** Tasks are there within some seconds, their readers a rebalance later. */
const starting = Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: "1 minute" }), monotonic)
/** Milliseconds in which a second coordinator would have joined. */
const settling = 5_000

/** A fault of the sink's: its coordinator outlived its task, and only the end of its worker ends it. */
class CoordinatorLeft extends Schema.TaggedError<CoordinatorLeft>()("CoordinatorLeft", {
  name: Schema.String,
  group: Schema.String
}) {
  override get message() {
    return `The connector ${this.name} has its new settings and stays stopped: readers of its old tasks are still in the group ${this.group}, and would commit beside the new ones. End them with docker compose restart kafka-connect; then floe connector resume ${this.name}.`
  }
}

class SecondCoordinator extends Schema.TaggedError<SecondCoordinator>()("SecondCoordinator", {
  group: Schema.String
}) {
  override get message() {
    return `The group ${this.group} has two members; docker compose restart kafka-connect leaves one of its own.`
  }
}

class NotStarted extends Schema.TaggedError<NotStarted>()("NotStarted", {
  name: Schema.String,
  states: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The connector ${this.name} has its settings and does not run yet (${this.states.join(", ")}); floe connector status ${this.name} shows why.`
  }
}

export const register = Effect.fn("Registration.register")(function* (name: string, config: ConnectorConfig) {
  const connector = yield* Connector
  const groups = yield* ConsumerGroups
  const coordinator = `connect-${name}-coord`
  const ids = [`connect-${name}`, coordinator]

  const errors = yield* connector.validate(name, { ...config, name })
  if (errors.length > 0) return yield* new ConnectorInvalid({ name, errors })
  const before = yield* connector.config(name).pipe(
    Effect.asSome,
    Effect.catchTag("ConnectorMissing", () => Effect.succeedNone)
  )
  if (Option.isNone(before)) return yield* connector.register(name, config)
  const coordinators = Readers.count(groups, [coordinator])
  if (same(before.value, { ...config, name }) && (yield* coordinators) <= 1) return "unchanged"
  const { state } = (yield* connector.status(name)).connector
  // Somebody stopped it, such as a swap that was broken off: that is for them to end.
  if (state === "STOPPED") {
    const done = yield* connector.register(name, config)
    yield* Effect.logWarning(
      `The connector ${name} was stopped before and stays so; floe doctor says what lets it go on.`
    )
    return done
  }

  const goOn = state === "PAUSED" ? connector.pause(name) : connector.resume(name)
  yield* connector.stop(name)
  const left = yield* Readers.none(ids, Readers.count(groups, ids)).pipe(
    Effect.as(false),
    Effect.catchTag("ReadersLeft", () => Effect.succeed(true)),
    Effect.onError(() => Effect.ignore(goOn))
  )
  if (left) {
    yield* connector.register(name, config)
    return yield* new CoordinatorLeft({ name, group: coordinator })
  }
  const done = yield* Effect.onError(connector.register(name, config), () => Effect.ignore(goOn))
  yield* goOn
  if (state === "PAUSED") return done

  const states = Effect.map(connector.status(name), ({ connector, tasks }) => [
    connector.state,
    ...(tasks.length === 0 ? ["no task yet"] : tasks.map(({ state }) => state))
  ])
  const last = yield* Effect.repeat(states, {
    schedule: starting,
    until: (all) => all.every((state) => state === "RUNNING" || state === "FAILED")
  })
  if (!last.every((state) => state === "RUNNING")) return yield* new NotStarted({ name, states: last })
  const since = yield* monotonicMillis
  for (;;) {
    if ((yield* coordinators) > 1) return yield* new SecondCoordinator({ group: coordinator })
    if ((yield* monotonicMillis) - since >= settling) return done
    yield* Effect.sleep("1 second")
  }
})
