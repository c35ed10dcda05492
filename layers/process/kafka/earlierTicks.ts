/** The moments at which the generation in use has closed windows by the clock: one that is filled closes them there, too. */
import { Effect } from "effect"
import { Cluster } from "../../log/kafka/Cluster.ts"
import * as Consumer from "../../log/kafka/Consumer.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"
import type { InputEvent, Runner } from "../Runner.ts"
import type { Tick } from "../Store.ts"
import { scan } from "./stateSummary.ts"

export interface EarlierTicks {
  /** The state topic of the generation in use. */
  readonly topic: string
  /**
   * Whether both generations read the same topic. Otherwise a tick comes before the first event that was accepted after it; one
   * without such an event does not count, as the clock closes its windows again once the generation is in use.
   */
  readonly sameInput: boolean
}

const lookMillis = 1_000

/** `repeated`: how many are done. Until the scope closes. */
export const make = Effect.fnUntraced(function* (
  { sameInput, topic }: EarlierTicks,
  partition: number,
  repeated: number
) {
  const cluster = yield* Cluster
  const consumers = yield* Consumer.make(topic, "read_committed")
  const ticks: Array<Tick> = []
  let read: number | undefined
  let done = repeated
  let lookedAt = Number.NEGATIVE_INFINITY

  /** Reads those that are new, once a second. */
  const look = Effect.gen(function* () {
    const now = yield* monotonicMillis
    if (now - lookedAt < lookMillis) return
    lookedAt = now
    const { end = 0, start = 0 } = (yield* cluster.bounds(topic, partition + 1, "read_committed"))[partition] ?? {}
    const from = read ?? start
    if (from < end) {
      yield* scan(consumers, partition, from, end, (_, record) => {
        if (record._tag === "Tick") ticks[record.n] = record.tick
      })
    }
    read = end
  })
  yield* look

  const isDue = (next: number) => {
    const tick = ticks[done]
    return sameInput && tick !== undefined && tick.next <= next
  }

  /** Adds the events, and the ticks that belong between and after them. */
  const add = (runner: Runner, events: ReadonlyArray<InputEvent>) => {
    let rest = events
    for (let tick = ticks[done]; tick !== undefined; tick = ticks[++done]) {
      const { at, next } = tick
      const cut = rest.findIndex(({ acceptedAt, offset }) => (sameInput ? offset >= next : acceptedAt >= at))
      if (cut < 0 && !isDue((rest.at(-1)?.offset ?? runner.next() - 1) + 1)) break
      runner.add(cut < 0 ? rest : rest.slice(0, cut))
      rest = cut < 0 ? [] : rest.slice(cut)
      runner.tick(at)
    }
    runner.add(rest)
  }

  return { look, add, isDue }
})
