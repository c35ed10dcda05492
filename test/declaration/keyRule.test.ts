import { assert, it } from "@effect/vitest"
import { readsByKey } from "../../layers/declaration/keyRule.ts"

const fold = { kind: "fold", rekeyed: false } as const

it("the key of the stream, one partition, and functions without a state need no other order", () => {
  assert.isFalse(readsByKey(fold, 4))
  assert.isFalse(readsByKey({ ...fold, ownKey: true }, 1))
  assert.isFalse(readsByKey({ ...fold, rekeyed: true }, 1))
  assert.isFalse(readsByKey({ kind: "map", rekeyed: false }, 4))
  assert.isFalse(readsByKey({ kind: "filter", rekeyed: true }, 4))
})

it("another key over several partitions does", () => {
  assert.isTrue(readsByKey({ ...fold, ownKey: true }, 4))
  assert.isTrue(readsByKey({ ...fold, rekeyed: true }, 2))
  assert.isTrue(readsByKey({ kind: "window", rekeyed: true }, 2))
})
