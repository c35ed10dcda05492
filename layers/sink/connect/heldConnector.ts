/**
 * A connector that is stopped while its stream's table changes. It stays stopped if this dies, also through a restart of Kafka
 * Connect; the next call with the same stream ends that.
 */
import { Effect } from "effect"
import { Connector, type ConnectorConfig, connectorOf } from "../../../services/Connector.ts"
import { coordinatorOf, sinkGroupOf } from "../../../services/Topics.ts"
import * as Readers from "./readers.ts"
import { tableOf } from "./rebuildConnector.ts"
import { isStoppedByHand, type Note, register } from "./register.ts"

/** Among the settings of a connector that somebody had paused before it was stopped. The sink ignores it. */
const pausedMark = "floe.paused"

const stateOf = Effect.fnUntraced(function* (name: string) {
  const status = yield* (yield* Connector)
    .status(name)
    .pipe(Effect.catchTag("ConnectorMissing", () => Effect.undefined))
  return status?.connector.state
})

const isMarked = Effect.fnUntraced(function* (name: string) {
  const config = yield* (yield* Connector)
    .config(name)
    .pipe(Effect.catchTag("ConnectorMissing", () => Effect.undefined))
  return config?.[pausedMark] !== undefined
})

const readersGone = (stream: string) => {
  const ids = [sinkGroupOf(stream), coordinatorOf(stream)]
  return Readers.none(ids, Readers.count(ids))
}

/**
 * Stops it until its readers are gone; returns whether it is to be started afterwards. One that somebody paused is
 * remembered as such, and one that somebody stopped stays so. `isHeld`: the log has the note of an earlier call.
 */
export const hold = Effect.fn("heldConnector.hold")(function* (stream: string, isHeld: boolean, note: Note) {
  const connector = yield* Connector
  const name = connectorOf(stream)
  const state = yield* stateOf(name)
  if (state === undefined) return isHeld
  if (state === "PAUSED") {
    yield* connector.register(name, { ...(yield* connector.config(name)), [pausedMark]: "true" })
  } else if (state !== "STOPPED" && !isHeld) yield* note(true)
  if (state !== "STOPPED") yield* connector.stop(name)
  yield* readersGone(stream)
  return isHeld || (state !== "STOPPED" && state !== "PAUSED")
})

/** Pauses it again, if somebody had paused it before it was held. */
export const pauseAgain = Effect.fn("heldConnector.pauseAgain")(function* (stream: string) {
  const connector = yield* Connector
  const name = connectorOf(stream)
  if (!(yield* isMarked(name))) return
  const { [pausedMark]: _, ...config } = yield* connector.config(name)
  yield* connector.pause(name)
  yield* connector.register(name, config)
})

/** A promotion stops it too, and starts it when it is complete. */
const isPromoted = Effect.fnUntraced(function* (topic: string | undefined) {
  const connector = yield* Connector
  for (const other of (yield* connector.names).filter((other) => tableOf(other).length > 0)) {
    if ((yield* connector.config(other)).topics === topic) return true
  }
  return false
})

/** Gives it these settings. If it is held, it is paused again or starts; one that somebody stopped stays so, with a warning. */
export const release = Effect.fn("heldConnector.release")(function* (
  stream: string,
  config: ConnectorConfig,
  isHeld: boolean,
  note: Note
) {
  const connector = yield* Connector
  const name = connectorOf(stream)
  if (yield* isMarked(name)) {
    // In this order, the mark stays until it is paused. Tasks of a paused connector do not start, so none run side by side.
    yield* connector.pause(name)
    return yield* connector.register(name, config)
  }
  // Asked before it gets its settings: for a moment after that its state is another one.
  const isStopped = (yield* stateOf(name)) === "STOPPED"
  if (isStopped && isHeld && !(yield* isPromoted(config.topics))) {
    const outcome = yield* connector.register(name, config)
    yield* readersGone(stream)
    yield* connector.resume(name)
    yield* note(false)
    return outcome
  }
  const outcome = yield* register(name, config, note)
  if (isStopped && outcome === "unchanged") yield* Effect.logWarning(isStoppedByHand(name))
  return outcome
})
