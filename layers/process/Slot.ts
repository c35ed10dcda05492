/** A processor that runs in this process: waits for its streams, opens its file, and goes through its input. */
import { Effect } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import type { Processor } from "../../streams/Processor.ts"
import * as LogFile from "../log/sqlite/LogFile.ts"
import { type Bound, bind } from "./bind.ts"
import * as InputLog from "./InputLog.ts"
import * as Runner from "./Runner.ts"
import * as SqliteStore from "./sqlite/Store.ts"

export interface DeclaredProcessor {
  readonly processor: Processor
  readonly definition: ProcessorDefinition
}

/** Events that are read at once. */
const chunk = 1_000
/** Events of a transaction. */
const maxBatch = 20_000
/** So that a stop is noticed, and other processors get their turn. */
const maxBatchMillis = 500

interface Opened {
  readonly store: SqliteStore.SqliteStore
  readonly runner: Runner.Runner
  readonly input: InputLog.InputLog
  /** Of the input's definition. */
  readonly version: number
}

export interface SlotState {
  readonly state: "waiting" | "running" | "stopped"
  /** Why it waits or is stopped: a sentence. */
  readonly reason?: string
}

const isNotEmpty = (history: ReadonlyArray<AppliedStream>): history is Bound["history"] => history.length > 0

export class Slot {
  readonly declared: DeclaredProcessor
  state: SlotState = { state: "waiting" }
  /** Events that were processed since the start. */
  events = 0
  readonly #folder: DataFolder["Service"]
  #opened: Opened | undefined

  constructor(folder: DataFolder["Service"], declared: DeclaredProcessor) {
    this.#folder = folder
    this.declared = declared
  }

  get name() {
    return this.declared.definition.name
  }

  close() {
    this.#opened?.input.close()
    this.#opened?.store.close()
    this.#opened = undefined
  }

  /** Processes a batch; false if there was nothing to do. */
  work() {
    const opened = this.#opened
    if (opened === undefined) return false
    const { input, runner } = opened
    const started = performance.now()
    let count = 0
    for (;;) {
      const events = input.events(runner.next(), chunk)
      this.#requireKnown(events.at(-1)?.schemaVersion ?? 0)
      runner.add(events)
      count += events.length
      if (events.length < chunk || count >= maxBatch || performance.now() - started > maxBatchMillis) break
    }
    runner.commit()
    this.events += count
    return count > 0
  }

  /** The module that this process has loaded was written for the version that was in force then. */
  #requireKnown(version: number) {
    const known = this.#opened?.version ?? version
    if (version <= known) return
    const { from } = this.declared.definition
    throw new Runner.ProcessorStopped(
      `The processor ${this.name} stopped because its input ${from} has changed from version ${known} to ${version} since it started. Start again, so that it runs the changed module.`
    )
  }

  /** Opens it once its streams are applied. */
  readonly open = Effect.fnUntraced(function* (this: Slot) {
    if (this.#opened !== undefined || this.state.state === "stopped") return
    const { definition, processor } = this.declared
    const streams = yield* Streams
    const history = yield* streams.history(definition.from)
    const [output] = (yield* streams.history(definition.to)).slice(-1)
    const [late] = definition.late === null ? [] : (yield* streams.history(definition.late)).slice(-1)
    const isMissing = output === undefined || (definition.late !== null && late === undefined)
    if (!isNotEmpty(history) || isMissing) {
      this.state = { state: "waiting", reason: `The processor ${this.name} waits until its streams are applied.` }
      return
    }
    this.#opened = yield* Effect.try({
      try: () => {
        const bound = bind(processor, definition, history, output.definition)
        const log = LogFile.open(this.#folder)
        const { logId } = log
        log.close()
        const store = SqliteStore.open({ folder: this.#folder, logId, definition, output, late })
        try {
          const runner = Runner.make(bound, store)
          return {
            runner,
            store,
            input: InputLog.open(this.#folder, definition.from, history.at(-1)?.definition.writer),
            version: history.at(-1)?.version ?? 1
          }
        } catch (cause) {
          store.close()
          throw cause
        }
      },
      catch: (cause) => cause
    })
    this.state = { state: "running" }
  }).bind(this)
}
