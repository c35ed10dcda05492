/** A declared processor with the columns of its streams: what its runner calls. */
import type { LogRecord } from "../../services/EventLog.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { AppliedStream, StreamDefinition } from "../../services/StreamDefinition.ts"
import type { Processor } from "../../streams/Processor.ts"
import { isFunction, optionsOf, sourceOf } from "../declaration/compileProcessors.ts"
import { decoder, eventDecoder } from "./codec/decode.ts"
import { DoesNotFit, rowEncoder, stateEncoder } from "./codec/encode.ts"
import { firstTime, lastTime, millisOf, timeText } from "./core/eventTime.ts"
import { Fold } from "./core/Fold.ts"
import type { Out, Room, StateCodec, States } from "./core/Task.ts"
import { Windows } from "./core/Windows.ts"

/** An event that is being processed. */
export interface Incoming {
  /** As user code sees it. */
  readonly value: unknown
  /** Canonical. */
  readonly record: LogRecord
  readonly acceptedAt: number
}

/** Why an event cannot be processed, whatever the functions do: it becomes a dead letter. */
export class Unprocessable extends Error {}

/** A function of the processor failed, or what it gave does not fit. `message` is a clause. */
export class HandlerFault extends Error {}

/** A state does not fit its columns. `message` is a clause, and a sentence with the key. */
export class StateFault extends Error {}

/** A function that is not pure, which tests notice. `message` is a sentence without its beginning. */
export class Impure extends Error {}

const thrown = (cause: unknown) => {
  if (!(cause instanceof Error)) return String(cause)
  return cause.name === "Error" ? cause.message || "an error" : `${cause.name}: ${cause.message}`
}

export interface Task {
  readonly watermark: number
  /** Windows, or keys of a fold, in memory. */
  readonly size: number
  readonly step: (event: Incoming) => void
  /** Closes windows as an event of that time does; milliseconds since 1970. */
  readonly tick: (at: number) => void
  /** Whether a tick of that time may close a window. */
  readonly isDue: (at: number) => boolean
  readonly flush: () => void
  readonly restore: (watermark: number) => void
}

/** What a task gives out beside late events. */
export interface Output extends Out<Incoming, unknown> {
  /** What a function gave for the output stream. */
  readonly rows: (rows: unknown) => void
}

export interface Bound {
  readonly definition: ProcessorDefinition
  readonly history: readonly [...ReadonlyArray<AppliedStream>, AppliedStream]
  readonly output: Pick<StreamDefinition, "columns">
  readonly decode: (record: LogRecord, version: number) => unknown
  /** Canonical rows of what a function gave; `acceptedAt` in milliseconds since 1970. */
  readonly encode: (rows: unknown, acceptedAt: number) => ReadonlyArray<string>
  readonly states: StateCodec<unknown>
  /** Throws HandlerFault or Unprocessable. */
  readonly key: (event: Incoming) => string
  /** The rows of a closed window. */
  readonly emit: (key: string, start: number, end: number, state: unknown) => unknown
  readonly task: (states: States, output: Output, room: Room) => Task
}

/** Most characters of a key, and of one in a message. */
const maxKeyLength = 1_024
const maxShown = 100
const shown = (key: string) => JSON.stringify(key.length > maxShown ? `${key.slice(0, maxShown)}…` : key)

const stateCodec = (columns: ProcessorDefinition["state"]): StateCodec<unknown> => {
  const encode = stateEncoder(columns)
  return {
    decode: decoder(columns),
    encode: (state, key) => {
      try {
        return encode(state)
      } catch (cause) {
        if (!(cause instanceof DoesNotFit)) throw cause
        throw new StateFault(`${cause.message}. Its key is ${shown(key)}`, { cause })
      }
    }
  }
}

const keyText = (key: unknown): string => {
  if (typeof key === "string") {
    if (key.length > maxKeyLength) {
      throw new Unprocessable(
        `its key has ${key.length.toLocaleString("en-US")} characters; at most 1,024 are possible`
      )
    }
    if (!key.isWellFormed()) throw new Unprocessable("its key is not well-formed Unicode")
    return key
  }
  if (typeof key === "number" || typeof key === "bigint" || typeof key === "boolean") return String(key)
  throw new HandlerFault(`key must give a string, number, bigint or boolean, not ${kindOf(key)}`)
}

const isThenable = (value: unknown) =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"

/** Distinguishes what user code throws from what its store throws. */
const guarded = (option: string, call: (...values: ReadonlyArray<unknown>) => unknown) => {
  return (a: unknown, b?: unknown, c?: unknown) => {
    try {
      return call(a, b, c)
    } catch (cause) {
      if (cause instanceof Impure) throw new Impure(`${option} ${cause.message}`, { cause })
      throw new HandlerFault(`${option} throws ${thrown(cause)}`, { cause })
    }
  }
}

/** For messages. */
export const kindOf = (value: unknown) =>
  isThenable(value) ? "a promise" : value === null ? "null" : Array.isArray(value) ? "an array" : typeof value

const millisFrom = (text: string) => {
  try {
    return millisOf(text)
  } catch (cause) {
    throw new HandlerFault(`time gives ${JSON.stringify(text)}, which is no timestamptz, timestamp or date`, { cause })
  }
}

const fieldOf = (value: unknown, name: string) =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

export const bind = (
  processor: Processor,
  definition: ProcessorDefinition,
  history: Bound["history"],
  output: Bound["output"]
): Bound => {
  const given = optionsOf(processor)
  const functionAt = (option: string) => {
    const value = given.get(option)
    if (isFunction(value)) return guarded(option, value)
    throw new Error(`the processor ${definition.name} has no function ${option}`)
  }
  const input = history[history.length - 1] ?? history[0]
  const decodeText = eventDecoder(history)
  const encodeRow = rowEncoder(output.columns)
  const states = stateCodec(definition.state)
  const zero = given.get("zero")

  const keyGiven = given.get("key") ?? sourceOf(given).rekey
  const keyOption = isFunction(keyGiven) ? guarded("key", keyGiven) : undefined
  const column = input.definition.key
  const keyOf =
    keyOption !== undefined
      ? (event: Incoming) => keyText(keyOption(event.value))
      : (event: Incoming) => {
          const key = column === null ? undefined : fieldOf(event.value, column)
          if (key === undefined || key === null) throw new Unprocessable(`it has no value in the key column ${column}`)
          return keyText(key)
        }

  const { ahead, kind, lateness, outOfOrder, window } = definition

  const windows = (states_: States, out: Output, room: Room) => {
    if (window === null) throw new Error(`the processor ${definition.name} has no window`)
    const [time, add] = [functionAt("time"), functionAt("add")]
    const merge = window.type === "session" ? functionAt("merge") : undefined
    const reach = window.type === "session" ? window.gap : window.size
    const timeOf = ({ acceptedAt, value }: Incoming) => {
      const text = time(value)
      if (typeof text !== "string") throw new HandlerFault(`time must give a timestamp as text, not ${kindOf(text)}`)
      const millis = millisFrom(text)
      if (millis > acceptedAt + ahead) {
        throw new Unprocessable(
          `its time ${text} is ahead of its acceptance at ${timeText(acceptedAt)} by more than ${(ahead / 1_000).toLocaleString("en-US")} seconds`
        )
      }
      if (millis < firstTime + reach || millis > lastTime - reach) {
        throw new Unprocessable(`its time ${text} is too close to the end of the calendar (years 0001 to 9999)`)
      }
      return millis
    }
    return new Windows<Incoming, unknown>(
      {
        key: keyOf,
        time: timeOf,
        window,
        outOfOrder,
        lateness,
        zero,
        add: (state, event) => add(state, event.value),
        merge: (a, b) => merge?.(a, b)
      },
      states_,
      states,
      out,
      room
    )
  }

  const fold = (states_: States, out: Output, room: Room) => {
    const [add, emit] = [functionAt("add"), functionAt("emit")]
    const changed = (key: string, state: unknown, event: Incoming) => out.rows(emit(key, state, event.value))
    return new Fold<Incoming, unknown>(
      { key: keyOf, zero, add: (state, event) => add(state, event.value), changed },
      states_,
      states,
      out,
      room
    )
  }

  const stateless = (step: (event: Incoming) => void): Task => ({
    watermark: Number.NEGATIVE_INFINITY,
    size: 0,
    step,
    tick: () => {},
    isDue: () => false,
    flush: () => {},
    restore: () => {}
  })

  const task: Bound["task"] = (states, out, room) => {
    switch (kind) {
      case "window":
        return windows(states, out, room)
      case "fold":
        return fold(states, out, room)
      case "map": {
        const map = functionAt("map")
        return stateless(({ value }) => out.rows(map(value)))
      }
      case "filter": {
        const keep = functionAt("keep")
        return stateless(({ value }) => {
          const isKept = keep(value)
          if (typeof isKept !== "boolean") throw new HandlerFault(`keep must give true or false, not ${kindOf(isKept)}`)
          if (isKept) out.rows(value)
        })
      }
    }
  }

  const emitGiven = given.get("emit")
  const emit = isFunction(emitGiven) ? guarded("emit", emitGiven) : undefined
  const hasAccepted = output.columns.some(({ type }) => type === "accepted")
  const encodeRows = (rows: unknown, acceptedAt: number) => {
    try {
      const accepted = hasAccepted ? timeText(acceptedAt) : ""
      return Array.isArray(rows) ? rows.map((row) => encodeRow(row, accepted)) : [encodeRow(rows, accepted)]
    } catch (cause) {
      if (!(cause instanceof DoesNotFit)) throw cause
      throw new HandlerFault(`its row does not fit the stream ${definition.to}: ${cause.message}`, { cause })
    }
  }
  return {
    definition,
    history,
    output,
    decode: (record, version) => (typeof record === "string" ? decodeText(record, version) : record),
    encode: (rows, acceptedAt) => (rows === undefined ? [] : encodeRows(rows, acceptedAt)),
    states,
    key: keyOf,
    emit: (key, start, end, state) => emit?.(key, { start: timeText(start), end: timeText(end) }, state),
    task
  }
}
