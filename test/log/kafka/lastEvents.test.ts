import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import * as LastEvents from "../../../layers/log/kafka/lastEvents.ts"
import { consumersOf } from "./partition.ts"

const record = { key: null, value: Buffer.from("{}") }
const contents = (offsets: ReadonlyArray<boolean>) => offsets.map((isRecord) => (isRecord ? record : undefined))

const runEffect = <A, E>(effect: Effect.Effect<A, E>) => Effect.runSync(effect)

it("the end is after the last record, whatever follows it, and the start if there is none", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 200 }), fc.nat(200), fc.nat(200), (offsets, a, b) => {
      const [start = 0, grown = 0] = [Math.min(a, offsets.length), Math.min(b, offsets.length)].sort((x, y) => x - y)
      const { consumers } = consumersOf(contents(offsets))
      const last = LastEvents.make(consumers)
      // The second call knows what the first one found.
      for (const end of [grown, offsets.length]) {
        const bounds = runEffect(last({ logId: "a", partitions: [{ partition: 0, start, end }] }))
        const expected = Math.max(start, offsets.slice(0, end).lastIndexOf(true) + 1)
        assert.deepStrictEqual(bounds, { logId: "a", partitions: [{ partition: 0, start, end: expected }] })
      }
    })
  )
})

it("an end that was asked for before is not read again, but that of another topic is", () => {
  const { consumers, opened } = consumersOf(contents([true, true, false]))
  const last = LastEvents.make(consumers)
  for (const logId of ["a", "a", "b"]) {
    const { partitions } = runEffect(last({ logId, partitions: [{ partition: 0, start: 0, end: 3 }] }))
    assert.deepStrictEqual(partitions, [{ partition: 0, start: 0, end: 2 }])
  }
  assert.deepStrictEqual(opened, [1, 1])
})
