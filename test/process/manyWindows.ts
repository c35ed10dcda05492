/** A processor that dies with many open windows; the next one closes them all. */
import { bind } from "../../layers/process/bind.ts"
import * as Runner from "../../layers/process/Runner.ts"
import { compiledOf, recordOf, rowOf } from "./randomProcessor.ts"
import type { Place } from "./randomRun.ts"

const count = 100_000
const batch = 20_000
const hour = 3_600_000
const start = Date.UTC(2026, 10, 27, 10)

/** Its rows, and those that each key must have. */
export const manyWindows = async (place: Place) => {
  const rule = { window: { type: "tumbling" as const, size: hour }, outOfOrder: 0, lateness: 0 }
  const { definition, events, late, output, processor } = compiledOf(rule)
  const bound = bind(processor, definition, [events], output.definition)
  const opened = async () => Runner.make(bound, await place.open(definition, output, late))
  const eventOf = (id: number, at: number): Runner.InputEvent => ({
    offset: id,
    record: recordOf({ id: String(id), key: `k${String(id).padStart(6, "0")}`, at }),
    acceptedAt: at,
    schemaVersion: 1
  })
  const process = async (runner: Runner.Runner, events: ReadonlyArray<Runner.InputEvent>) => {
    await place.begin?.()
    runner.add(events)
    runner.commit()
    await place.commit?.()
  }
  const first = await opened()
  for (let at = 0; at < count; at += batch) {
    await process(
      first,
      Array.from({ length: batch }, (_, i) => eventOf(at + i, start + at + i))
    )
  }
  const before = (await place.content()).states.length
  const second = await opened()
  const closing = start + hour
  await process(second, [eventOf(count, closing)])
  const { rows, states } = await place.content()
  return {
    actual: { before, rows, after: states.length },
    expected: {
      before: count,
      rows: Array.from({ length: count }, (_, id) => {
        const key = `k${String(id).padStart(6, "0")}`
        const window = { key, start, end: closing, events: String(id), count: 1 }
        return { record: rowOf(window), acceptedAt: closing }
      }),
      after: 1
    }
  }
}
