/**
 * Registers a connector with new settings. Kafka Connect would start new tasks beside old ones that still end, and an old
 * coordinator would be a second one; so this stops the connector, and starts it once its groups are empty.
 */
import { Effect, Option, Schedule, Schema } from "effect"
import { Connector, type ConnectorConfig, ConnectorInvalid } from "../../../services/Connector.ts"
import type { LogCorrupt, LogUnavailable } from "../../../services/EventLog.ts"
import { monotonic, monotonicMillis } from "../../runtime/elapsed.ts"
import { isSameConfig } from "./Connector.ts"
import * as Readers from "./readers.ts"

/** Tasks start within seconds, their readers a rebalance later. */
const starting = Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: "1 minute" }), monotonic)
const settlingMillis = 5_000

/** A bug of the Iceberg sink: a coordinator outlives its task, until its worker ends. */
class CoordinatorLeft extends Schema.TaggedError<CoordinatorLeft>()("CoordinatorLeft", {
  name: Schema.String,
  group: Schema.String
}) {
  override get message() {
    return `The connector ${this.name} has its new settings but stays stopped: readers of its old tasks are still in the group ${this.group} and would commit beside the new ones. End them with docker compose restart kafka-connect; then run floe connector resume ${this.name}.`
  }
}

class SecondCoordinator extends Schema.TaggedError<SecondCoordinator>()("SecondCoordinator", {
  group: Schema.String
}) {
  override get message() {
    return `The group ${this.group} has two members; docker compose restart kafka-connect leaves only one.`
  }
}

class NotStarted extends Schema.TaggedError<NotStarted>()("NotStarted", {
  name: Schema.String,
  states: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The connector ${this.name} has its settings but is not running yet (${this.states.join(", ")}); floe connector status ${this.name} shows why.`
  }
}

export const isStoppedByHand = (name: string) =>
  `The connector ${name} was already stopped and stays so; floe doctor shows how to resume it.`

/** Notes in the log whether the connector is held, durably. */
export type Note = (isHeld: boolean) => Effect.Effect<void, LogUnavailable | LogCorrupt>

/** `note` is called with true before a running connector is stopped, and with false once it runs again. */
export const register = Effect.fn("register")(function* (name: string, config: ConnectorConfig, note?: Note) {
  const noted: Note = note ?? (() => Effect.void)
  const connector = yield* Connector
  const coordinator = `connect-${name}-coord`
  const ids = [`connect-${name}`, coordinator]

  const errors = yield* connector.validate(name, { ...config, name })
  if (errors.length > 0) return yield* new ConnectorInvalid({ name, errors })
  const before = yield* connector.config(name).pipe(
    Effect.asSome,
    Effect.catchTag("ConnectorMissing", () => Effect.succeedNone)
  )
  if (Option.isNone(before)) return yield* connector.register(name, config)
  const coordinators = Readers.count([coordinator])
  if (isSameConfig(before.value, { ...config, name }) && (yield* coordinators) <= 1) return "unchanged"
  const { state } = (yield* connector.status(name)).connector
  // Someone stopped it, or a promotion was interrupted: they have to resume it.
  if (state === "STOPPED") {
    const done = yield* connector.register(name, config)
    yield* Effect.logWarning(isStoppedByHand(name))
    return done
  }

  const restoreState = state === "PAUSED" ? connector.pause(name) : Effect.andThen(connector.resume(name), noted(false))
  if (state !== "PAUSED") yield* noted(true)
  yield* connector.stop(name)
  const left = yield* Readers.none(ids, Readers.count(ids)).pipe(
    Effect.as(false),
    Effect.catchTag("ReadersLeft", () => Effect.succeed(true)),
    Effect.onError(() => Effect.ignore(restoreState))
  )
  if (left) {
    yield* connector.register(name, config)
    return yield* new CoordinatorLeft({ name, group: coordinator })
  }
  const done = yield* Effect.onError(connector.register(name, config), () => Effect.ignore(restoreState))
  yield* restoreState
  if (state === "PAUSED") return done

  const states = Effect.map(connector.status(name), ({ connector, tasks }) => [
    connector.state,
    ...(tasks.length === 0 ? ["no task yet"] : tasks.map(({ state }) => state))
  ])
  const lastStates = yield* Effect.repeat(states, {
    schedule: starting,
    until: (all) => all.every((state) => state === "RUNNING" || state === "FAILED")
  })
  if (!lastStates.every((state) => state === "RUNNING")) return yield* new NotStarted({ name, states: lastStates })
  const since = yield* monotonicMillis
  for (;;) {
    if ((yield* coordinators) > 1) return yield* new SecondCoordinator({ group: coordinator })
    if ((yield* monotonicMillis) - since >= settlingMillis) return done
    yield* Effect.sleep("1 second")
  }
})
