/** A random processor over a random log, run in random batches with crashes: everything follows from the seed. */
import { bind } from "../../layers/process/bind.ts"
import type { StateRow } from "../../layers/process/core/Task.ts"
import * as Runner from "../../layers/process/Runner.ts"
import type { Progress, Store, Tick } from "../../layers/process/Store.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { expectedWindows } from "./expectedWindows.ts"
import {
  base,
  below,
  byKeyAndStart,
  compiledOf,
  logOf,
  oneOf,
  type Random,
  randomOf,
  recordOf,
  rowOf,
  ruleOf,
  stateOf
} from "./randomProcessor.ts"

interface Content {
  readonly rows: ReadonlyArray<{ readonly record: string; readonly acceptedAt: number }>
  readonly late: ReadonlyArray<{ readonly record: string; readonly acceptedAt: number }>
  readonly states: ReadonlyArray<StateRow>
  readonly ticks: ReadonlyArray<Tick>
  readonly progress: Progress
}

/** A place where a store's content stays over crashes. */
export interface Place {
  /** Opens the store, as a new process would after the one before died. */
  readonly open: (definition: ProcessorDefinition, output: AppliedStream, late: AppliedStream) => Store | Promise<Store>
  /** The number of ticks that are committed. */
  readonly ticks: () => number
  readonly content: () => Content | Promise<Content>
  /** For a store whose transactions need more than its own calls: before its `begin`, and after its `commit`. */
  readonly begin?: () => Promise<void>
  readonly commit?: () => Promise<void>
  /** Whether it refuses times before 1970. */
  readonly since1970?: boolean
}

export class Crash extends Error {}

/** Dies at the n-th write, before the commit or after it. */
const crashing = (store: Store, random: Random): Store => {
  let left = below(random, 40)
  const dies = <A extends ReadonlyArray<unknown>, B>(call: (...values: A) => B) => {
    return (...values: A) => {
      if (left-- === 0) throw new Crash()
      return call(...values)
    }
  }
  return {
    ...store,
    row: dies(store.row),
    late: dies(store.late),
    put: dies(store.put),
    remove: dies(store.remove),
    commit: dies((progress) => {
      store.commit(progress)
      if (random() < 0.3) throw new Crash()
    })
  }
}

/** Runs it, and returns what the store has and what the rule demands. */
export const randomRun = async (seed: number, place: Place) => {
  const random = randomOf(seed)
  const rule = ruleOf(random)
  const log = logOf(random, place.since1970 === true)
  const { definition, events, late, output, processor } = compiledOf(rule)
  const bound = bind(processor, definition, [events], output.definition)
  const input = log.map(({ at, id, key }, offset): Runner.InputEvent => {
    // Microseconds are cut off.
    const micros = String(below(random, 1000)).padStart(3, "0")
    const record = recordOf({ at, id, key }, micros)
    return { offset, record, acceptedAt: at + below(random, 1000), schemaVersion: 1 }
  })

  // Before the event at `next`, windows close by the clock.
  const ticks = Array.from({ length: random() < 0.5 ? below(random, 6) : 0 }, () => {
    const next = below(random, log.length + 1)
    return { next, at: (log[Math.max(0, next - 1)]?.at ?? base) + below(random, 40) }
  }).sort((a, b) => a.next - b.next)

  const ticksBefore = (index: number) =>
    ticks.filter(({ next }) => next === index).map(({ at }) => ({ id: "", key: "", at, isTick: true, acceptedAt: at }))

  const room = { keys: oneOf(random, [1, 2, 4, 100_000]), length: oneOf(random, [1, 30, 100, 1_000_000]) }
  const crashes = random() < 0.8 ? below(random, 12) : 0
  let runner: Runner.Runner | undefined
  let isOpen = false
  let crashed = 0
  const begin = async () => {
    if (!isOpen) await place.begin?.()
    isOpen = true
  }
  const commit = async (one: Runner.Runner) => {
    one.commit()
    if (isOpen) await place.commit?.()
    isOpen = false
  }
  for (;;) {
    if (runner === undefined) {
      const store = await place.open(definition, output, late)
      isOpen = false
      runner = Runner.make(bound, crashed < crashes ? crashing(store, random) : store, { room })
    }
    const next = runner.next()
    const tick = ticks[place.ticks()]
    try {
      if (tick?.next === next) {
        await begin()
        runner.tick(tick.at)
        await commit(runner)
        continue
      }
      if (next === input.length) {
        await commit(runner)
        break
      }
      const last = next + 1 + below(random, oneOf(random, [1, 5, 50]))
      await begin()
      runner.add(input.slice(next, Math.min(last, tick?.next ?? last)))
      if (random() < 0.7) await commit(runner)
      if (random() < 0.1) runner = undefined // killed between two events
    } catch (cause) {
      if (!(cause instanceof Crash)) throw cause
      crashed++
      runner = undefined
    }
  }

  const entries = [
    ...log.flatMap((event, index) => [...ticksBefore(index), { ...event, acceptedAt: input[index]?.acceptedAt }]),
    ...ticksBefore(log.length)
  ]
  const expected = expectedWindows(rule, entries)
  const acceptedAt = (index: number) => entries[index]?.acceptedAt ?? Number.NaN
  return {
    crashed,
    actual: await place.content(),
    expected: {
      rows: expected.closed.map((one) => ({ record: rowOf(one), acceptedAt: acceptedAt(one.by) })),
      late: expected.late.map((id) => ({
        record: String(input[Number(id)]?.record),
        acceptedAt: input[Number(id)]?.acceptedAt ?? Number.NaN
      })),
      states: expected.open.map(stateOf).sort(byKeyAndStart),
      ticks,
      progress: { next: log.length, watermark: expected.watermark }
    }
  }
}
