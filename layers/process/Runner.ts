/** Runs a processor over its input. */
import type { LogRecord } from "../../services/EventLog.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import { Beat } from "./Beat.ts"
import { type Bound, HandlerFault, type Incoming, type Output, StateFault, type Task, Unprocessable } from "./bind.ts"
import { timeText } from "./core/eventTime.ts"
import { defaultRoom, type Room } from "./core/Task.ts"
import { HeapGauge } from "./HeapGauge.ts"
import type { Store } from "./Store.ts"

/** The processor cannot go on: a function of it failed. `message` is a sentence. */
export class ProcessorStopped extends Error {}

/** An event of the input, as the log has it. */
export interface InputEvent {
  readonly offset: number
  readonly record: LogRecord
  /** Milliseconds since 1970. */
  readonly acceptedAt: number
  /** Of the input's definition. */
  readonly schemaVersion: number
  /** What another program wrote, and is no event: it is only passed, so that the end of the input is reached. */
  readonly isForeign?: true
}

/** That a function failed; `where` is a clause. */
export const stoppedBy = (definition: ProcessorDefinition, where: string, cause: Error) =>
  new ProcessorStopped(
    `The processor ${definition.name} stopped ${where}: ${cause.message}. Correct it and start again${cause instanceof HandlerFault ? `, or set onError: "dead-letter" to put aside what fails` : ""}.`,
    { cause }
  )

export const textOf = (record: LogRecord) => (typeof record === "string" ? record : JSON.stringify(record))

export interface Runner {
  /** Offset of the next event. */
  readonly next: () => number
  readonly watermark: () => number
  readonly inMemory: () => number
  /**
   * Processes events from `next` on, in the transaction that ends with `commit`. After any error the runner cannot be used:
   * make another one over the reopened store.
   */
  readonly add: (events: ReadonlyArray<InputEvent>) => void
  /** Closes windows by the clock, at that time, in the transaction that ends with `commit`; milliseconds since 1970. */
  readonly tick: (at: number) => void
  /** Whether a tick of that time may close a window. */
  readonly isDue: (at: number) => boolean
  /** Makes what was added since the last commit durable. */
  readonly commit: () => void
}

export interface RunnerOptions {
  readonly room?: Room
  readonly beat?: Beat
  /** Of the input, for messages. */
  readonly partition?: number
}

export const make = (
  bound: Bound,
  store: Store,
  { beat = new Beat(), room = defaultRoom, partition = 0 }: RunnerOptions = {}
): Runner => {
  const { definition } = bound
  const stops = definition.onError === "stop"
  let { next } = store.progress()
  const heap = new HeapGauge()
  let isOpen = false
  let current: Incoming | undefined
  let tickedAt: number | undefined
  const acceptedAt = () => tickedAt ?? current?.acceptedAt ?? 0

  const stopped = (where: string, cause: Error) => stoppedBy(definition, where, cause)

  /** Runs what encodes states. */
  const encoding = <A>(run: () => A): A => {
    try {
      return run()
    } catch (cause) {
      if (!(cause instanceof StateFault)) throw cause
      throw stopped(`before ${definition.from}/${partition}/${next}, because a state does not fit its columns`, cause)
    }
  }

  const write = (records: ReadonlyArray<string>) => {
    for (const record of records) store.row(record, acceptedAt())
  }

  const output: Output = {
    rows: (rows) => write(bound.encode(rows, acceptedAt())),
    late: ({ acceptedAt, record }) => store.late(textOf(record), acceptedAt),
    closed: (key, start, end, state) => {
      beat.step()
      try {
        write(bound.encode(bound.emit(key, start, end, state), acceptedAt()))
      } catch (cause) {
        if (!(cause instanceof HandlerFault)) throw cause
        const window = { key, start: timeText(start), end: timeText(end) }
        if (stops) {
          throw stopped(`at the window ${window.start} to ${window.end} of the key ${JSON.stringify(key)}`, cause)
        }
        const text = `{"key":${JSON.stringify(key)},"start":"${window.start}","end":"${window.end}","state":${encoding(() => bound.states.encode(state, key))}}`
        store.dead(text, cause.message, acceptedAt())
      }
    }
  }

  const task: Task = bound.task(store, output, room)
  task.restore(store.progress().watermark)

  const step = ({ acceptedAt, offset, record, schemaVersion }: InputEvent) => {
    current = { value: bound.decode(record, schemaVersion), record, acceptedAt }
    try {
      task.step(current)
    } catch (cause) {
      const isFault = cause instanceof HandlerFault
      if (!isFault && !(cause instanceof Unprocessable)) throw cause
      if (isFault && stops) throw stopped(`at ${definition.from}/${partition}/${offset}`, cause)
      store.dead(textOf(record), cause.message, acceptedAt)
    }
  }

  const begin = () => {
    if (!isOpen) store.begin()
    isOpen = true
  }

  return {
    next: () => next,
    watermark: () => task.watermark,
    inMemory: () => task.size,
    add: (events) => {
      if (events.length === 0) return
      begin()
      for (const event of events) {
        beat.event(event.offset)
        if (event.isForeign !== true) step(event)
        next = event.offset + 1
        if (heap.isTight()) encoding(() => task.flush())
      }
    },
    tick: (at) => {
      begin()
      beat.event(next)
      tickedAt = at
      task.tick(at)
      tickedAt = undefined
      store.tick({ next, at })
    },
    isDue: (at) => task.isDue(at),
    commit: () => {
      if (!isOpen) return
      encoding(() => task.flush())
      store.commit({ next, watermark: task.watermark })
      isOpen = false
    }
  }
}
