/** A processor that runs in this process: waits for its streams, opens its file, and goes through its input. */
import { existsSync } from "node:fs"
import { Effect } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import type { Beat } from "./Beat.ts"
import { requireKnownVersion } from "./inputVersion.ts"
import { type DeclaredProcessor, type OpenedProcessor, openProcessor } from "./openProcessor.ts"
import { pauseFile } from "./pauseFile.ts"

/** Events that are read at once. */
const chunk = 1_000
/** Events of a transaction. */
export const maxBatch = 20_000
/** So that a stop is noticed, and other processors get their turn. */
const maxBatchMillis = 500

export interface SlotState {
  readonly state: "waiting" | "running" | "paused" | "stopped"
  /** Why it waits or is stopped: a sentence. */
  readonly reason?: string
}

export class Slot {
  readonly declared: DeclaredProcessor
  state: SlotState = { state: "waiting" }
  /** Events that were processed since the start. */
  events = 0
  readonly #folder: DataFolder["Service"]
  readonly #beat: Beat
  readonly #index: number
  #opened: OpenedProcessor | undefined
  /** Milliseconds of the monotonic clock: the last event, or the start. */
  #lastEventAt = 0

  /** `index` names it to the thread that watches. */
  constructor(folder: DataFolder["Service"], declared: DeclaredProcessor, beat: Beat, index: number) {
    this.#folder = folder
    this.declared = declared
    this.#beat = beat
    this.#index = index
  }

  get name() {
    return this.declared.definition.name
  }

  /** Notices a pause, or its end. */
  isPaused() {
    const isPaused = existsSync(pauseFile(this.#folder, this.name))
    if (isPaused !== (this.state.state === "paused")) {
      this.close()
      this.state = { state: isPaused ? "paused" : "waiting" }
    }
    return isPaused
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
    const { input, runner, store } = opened
    const started = performance.now()
    const tick = store.tickToCome()
    if (tick !== undefined && tick.next <= runner.next()) {
      this.#beat.during(this.#index, () => runner.tick(tick.at))
      runner.commit()
      return true
    }
    let count = 0
    for (;;) {
      const room = Math.min(chunk, (tick?.next ?? Number.POSITIVE_INFINITY) - runner.next())
      const events = room === 0 ? [] : input.events(runner.next(), room)
      requireKnownVersion(this.declared.definition, opened.version, events.at(-1)?.schemaVersion ?? 0)
      this.#beat.during(this.#index, () => runner.add(events))
      count += events.length
      if (events.length < chunk || count >= maxBatch || performance.now() - started > maxBatchMillis) break
    }
    if (count > 0) this.#lastEventAt = performance.now()
    else this.#tickWhenIdle(opened)
    runner.commit()
    this.events += count
    return count > 0
  }

  /** Closes by the clock what nothing else will. */
  #tickWhenIdle({ runner }: OpenedProcessor) {
    const { closeWhenIdle } = this.declared.definition
    if (closeWhenIdle === undefined || performance.now() - this.#lastEventAt < closeWhenIdle) return
    const now = Date.now()
    if (runner.isDue(now)) this.#beat.during(this.#index, () => runner.tick(now))
  }

  /** Opens it once its streams are applied. */
  readonly open = Effect.fnUntraced(function* (this: Slot) {
    if (this.#opened !== undefined || this.state.state === "stopped") return
    const places = { log: this.#folder, input: this.#folder, output: this.#folder }
    this.#lastEventAt = performance.now()
    this.#opened = yield* openProcessor(this.declared, places, this.#beat)
    this.state =
      this.#opened === undefined
        ? { state: "waiting", reason: `The processor ${this.name} waits until its streams are applied.` }
        : { state: "running" }
  }).bind(this)
}
