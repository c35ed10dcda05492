import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { builtIn } from "../../layers/declaration/builtIn.ts"
import {
  heartbeatKey,
  heartbeatValue,
  progressKey,
  progressValue,
  windowKey,
  windowValue
} from "../../layers/process/kafka/stateRecords.ts"
import { stateSummary } from "../../layers/process/kafka/stateSummary.ts"
import { consumersOf } from "../log/kafka/partition.ts"

const [definition] = builtIn.processors ?? []
if (definition === undefined) throw new Error("there is no built-in processor")

const heartbeat = { key: heartbeatKey, value: heartbeatValue({ id: "a", count: 1, rate: 7 }) }
const progress = (next: number) => {
  const record = { next, watermark: 1_000 * next, input: "id", definition }
  return { record, message: { key: progressKey, value: progressValue(record) } }
}
const window = (key: string) => ({
  key: windowKey(key, 0),
  value: windowValue({ key, start: 0, end: 60, state: "{}" })
})
const closed = (key: string) => ({ key: windowKey(key, 0), value: null })
const marker = undefined

it.effect("open windows are those without a tombstone, and the last progress counts", () =>
  Effect.gen(function* () {
    const offsets = [window("a"), window("b"), progress(2).message, marker, window("a"), closed("b"), window("c")]
    const all = [...offsets, progress(5).message, marker, heartbeat, marker]
    const bounds = { partition: 0, start: 0, end: all.length }
    const { consumers } = consumersOf(all)
    assert.deepStrictEqual(yield* stateSummary(consumers, bounds, true), {
      progress: progress(5).record,
      rate: 7,
      stopped: undefined,
      open: 2
    })
    assert.deepStrictEqual(yield* stateSummary(consumers, bounds, false), {
      progress: progress(5).record,
      rate: 7,
      stopped: undefined,
      open: null
    })
    assert.deepStrictEqual(yield* stateSummary(consumers, { ...bounds, end: 0 }, true), {
      progress: undefined,
      rate: undefined,
      stopped: undefined,
      open: 0
    })
  })
)

it.effect("the progress of a processor that has been idle for long is found without reading all", () =>
  Effect.gen(function* () {
    const idle = Array.from({ length: 4_000 }, (_, i) => (i % 2 === 0 ? heartbeat : marker))
    const all = [...Array.from({ length: 100_000 }, () => window("a")), progress(7).message, marker, ...idle]
    const { consumers, opened } = consumersOf(all)
    const { progress: found } = yield* stateSummary(consumers, { partition: 0, start: 0, end: all.length }, false)
    assert.deepStrictEqual(found, progress(7).record)
    assert.deepStrictEqual(opened, [all.length - 1_000, all.length - 32_000])
  })
)

it.effect("a processor that has processed nothing has no progress", () =>
  Effect.gen(function* () {
    const { consumers } = consumersOf([heartbeat, marker])
    assert.deepStrictEqual(yield* stateSummary(consumers, { partition: 0, start: 0, end: 2 }, false), {
      progress: undefined,
      rate: 7,
      stopped: undefined,
      open: null
    })
  })
)
