/** What the topic of streams says of rebuilds, record by record. */
import type { Message } from "@confluentinc/kafka-javascript"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { firstVersion } from "../../../layers/declaration/assignIds.ts"
import { folding, generationsKey, rebuildKey } from "../../../layers/log/kafka/streamRecords.ts"
import { topicNames, withGenerations } from "../../../layers/log/kafka/topicNames.ts"
import * as MemoryStreams from "../../../layers/log/memory/Streams.ts"
import { Streams } from "../../../services/Streams.ts"
import { hourly, mapped } from "../../support/processorDefinitions.ts"

const message = (key: string, value: string | null, offset = 0): Message => ({
  key: Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  partition: 0,
  offset
})

const folded = (...messages: ReadonlyArray<Message>) => {
  const { state, take } = folding()
  for (const one of messages) take(one)
  return state()
}

describe("records of rebuilds", () => {
  it("the last record of generations is that of all processors", () => {
    const { corrupt, generations } = folded(
      message(generationsKey, '{"a":2}'),
      message(generationsKey, '{"a":2,"b":5}')
    )
    assert.deepStrictEqual(
      [...generations],
      [
        ["a", 2],
        ["b", 5]
      ]
    )
    assert.isUndefined(corrupt)
    assert.strictEqual(folded(message(generationsKey, '{"a":2}'), message(generationsKey, null)).generations.size, 0)
  })

  it("a rebuild is there until its tombstone", () => {
    const rebuild = { definitions: [mapped] as const, generation: 2, former: { mapped: 1 }, phase: "filling" } as const
    const begun = message(rebuildKey, JSON.stringify(rebuild))
    assert.deepStrictEqual(folded(begun).rebuild, rebuild)
    assert.isUndefined(folded(begun, message(rebuildKey, null)).rebuild)
  })

  it("an unreadable record is named, until a readable one takes its place", () => {
    const broken = message(generationsKey, '{"a":"two"}', 7)
    assert.strictEqual(
      folded(broken).corrupt?.message,
      "The event log is corrupt at partition 0, offset 7: the record generations is unreadable."
    )
    assert.isUndefined(folded(broken, message(generationsKey, "{}", 8)).corrupt)
  })
})

it.effect("a processor's topics have the number of its generation, and those of other streams stay as they are", () =>
  Effect.gen(function* () {
    const streams = yield* Streams
    const stream = (name: string, writer?: string) =>
      firstVersion({ name, columns: [], key: null, partitionBy: [], ...(writer === undefined ? {} : { writer }) }, 0)
    for (const one of [stream("readings"), stream("means", "hourly"), stream("hourly_late", "hourly")]) {
      yield* streams.record(one)
    }
    const named = Effect.map(topicNames, ({ ofProcessor, ofStream }) => [
      ...["weather", "readings", "means", "hourly_late"].map(ofStream),
      ofProcessor("hourly")
    ])
    assert.deepStrictEqual(yield* named, ["weather", "readings", "means", "hourly_late", "hourly"])
    yield* streams.setGeneration({
      definitions: [hourly],
      generation: 3,
      former: {},
      phase: "switching"
    })
    assert.deepStrictEqual(yield* named, ["weather", "readings", "means-3", "hourly_late-3", "hourly-3"])
    assert.deepStrictEqual(yield* Effect.provideService(named, Streams, withGenerations(streams, [["hourly", 4]])), [
      "weather",
      "readings",
      "means-4",
      "hourly_late-4",
      "hourly-4"
    ])
  }).pipe(Effect.provide(MemoryStreams.layer))
)
