import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { make } from "../../../layers/process/kafka/pending.ts"

it.effect("a full transaction leaves the rest of a read to the next one, which needs no other read", () =>
  Effect.gen(function* () {
    const reads: Array<boolean> = []
    const processed: Array<number> = []
    const pending = make(
      (wait) => Effect.sync(() => (reads.push(wait) === 1 ? Array.from({ length: 35 }, (_, i) => i) : [])),
      (events) => {
        processed.push(...events)
        return events.length
      }
    )
    assert.isTrue(yield* pending.next(true))
    assert.strictEqual(
      pending.add(() => processed.length >= 15),
      20
    )
    assert.isTrue(yield* pending.next(false))
    assert.strictEqual(
      pending.add(() => true),
      10
    )
    assert.isTrue(yield* pending.next(true))
    assert.strictEqual(
      pending.add(() => false),
      5
    )
    assert.deepStrictEqual(processed, [...Array(35).keys()])
    assert.isFalse(yield* pending.next(false))
    assert.deepStrictEqual(reads, [true, false])
  })
)
