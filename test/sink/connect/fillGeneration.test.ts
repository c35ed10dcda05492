import { assert, it } from "@effect/vitest"
import { Array as Arr, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { type ProcessorReport, ProcessorReports } from "../../../layers/process/ProcessorReports.ts"
import { processed } from "../../../layers/sink/connect/fillGeneration.ts"
import { hourly } from "../../support/processorDefinitions.ts"

type Place = Pick<ProcessorReport, "next" | "end" | "lag">

const reportOf = (place: Place): ProcessorReport => ({
  definition: hourly,
  state: "running",
  reason: null,
  watermark: null,
  open: null,
  rows: 0,
  late: 0,
  deadLetters: 0,
  rate: null,
  ...place
})

/** How many looks it takes while `placeAt` gives what the processor has done at each second. */
const looks = Effect.fnUntraced(function* (seconds: number, placeAt: (second: number) => Place) {
  let count = 0
  const reports = Layer.mock(ProcessorReports, { find: () => Effect.sync(() => reportOf(placeAt(count++))) })
  const waiting = yield* processed(hourly, () => Effect.void).pipe(Effect.provide(reports), Effect.forkChild)
  yield* TestClock.adjust(`${seconds} seconds`)
  yield* Fiber.join(waiting)
  return count
})

it.effect("a processor that processes what was copied long ago makes progress", () =>
  Effect.gen(function* () {
    const events = 400
    const place = (second: number) => ({ next: events, end: events, lag: events - second })
    assert.strictEqual(yield* looks(events, place), events + 1)
  })
)

it.effect("a processor that copies its input makes progress", () =>
  Effect.gen(function* () {
    const events = 400
    const place = (second: number) => ({ next: second, end: events, lag: second < events ? events : 0 })
    assert.strictEqual(yield* looks(events, place), events + 1)
  })
)

it.effect("what was copied in the last second is no new input", () =>
  Effect.gen(function* () {
    const copied: Arr.NonEmptyReadonlyArray<Place> = [
      { next: 100, end: 1_000, lag: 950 },
      { next: 1_000, end: 1_000, lag: 900 },
      { next: 1_000, end: 1_000, lag: 500 },
      { next: 1_005, end: 1_010, lag: 11 },
      { next: 1_010, end: 1_015, lag: 5 }
    ]
    const place = (second: number) => copied[second] ?? Arr.lastNonEmpty(copied)
    assert.strictEqual(yield* looks(10, place), copied.length)
  })
)

it.effect("a rebuild is refused if the processor processes nothing, whatever comes into its input", () =>
  Effect.gen(function* () {
    const place = (second: number) => ({ next: 7, end: 10 + 2 * second, lag: 3 + 2 * second })
    const { message } = yield* Effect.flip(looks(200, place))
    assert.include(message, "has processed nothing for 3 minutes, with 365 events of hourly to come")
  })
)
