/** When the state of a processor still fits its declaration. */
import { expect, it } from "vitest"
import { definitionChange } from "../../layers/process/definitionChange.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import { hourly as before } from "../support/processorDefinitions.ts"

const change = (now: Partial<ProcessorDefinition>) => definitionChange(before, { ...before, ...now })

it("fits when only what the state does not depend on changes, or a column is added or widened", () => {
  expect(change({})).toBeUndefined()
  expect(change({ doc: "Means", onError: "dead-letter" })).toBeUndefined()
  expect(change({ state: [...before.state, { name: "more", required: false, type: "string" }] })).toBeUndefined()
  expect(change({ state: [{ name: "n", required: true, type: "long" }] })).toBeUndefined()
})

const others: ReadonlyArray<Partial<ProcessorDefinition>> = [
  { kind: "fold" },
  { rekeyed: true },
  { to: "others" },
  { outOfOrder: 5 },
  { ahead: 5 }
]
it.each(others)("does not fit if %j is new", (now) => {
  const [[part, value] = []] = Object.entries(now)
  const [, was] = Object.entries(before).find(([name]) => name === part) ?? []
  expect(change(now)).toBe(`its ${part} was ${was} and is ${value} now`)
})

it("does not fit otherwise, and the clause says what changed", () => {
  expect(change({ lateness: 5 })).toBe("its lateness was 0 and is 5 now")
  expect(change({ from: "others" })).toBe("its from was readings and is others now")
  expect(change({ window: { type: "session", gap: 1 } })).toBe(
    'its window was {"type":"tumbling","size":3600000} and is {"type":"session","gap":1} now'
  )
  expect(change({ state: [{ name: "n", required: true, type: "string" }] })).toMatch(
    /^the column n of its state does not fit: its type cannot change from int to string/
  )
  expect(change({ ownKey: true })).toBe("its key was the stream's and is a function's now")
  expect(definitionChange({ ...before, ownKey: true }, before)).toBe("its key was a function's and is the stream's now")
  expect(change({ state: [] })).toBe("its state has no column n any more")
  expect(change({ state: [{ name: "count", renamedFrom: "n", required: true, type: "int" }] })).toBe(
    "its state has no column n any more"
  )
  const nested = (...fields: ReadonlyArray<string>): ProcessorDefinition => ({
    ...before,
    state: [
      {
        name: "items",
        required: true,
        type: "list",
        nullable: false,
        element: { type: "struct", fields: fields.map((name) => ({ name, required: false, type: "int" })) }
      }
    ]
  })
  expect(definitionChange(nested("a", "b"), nested("a"))).toBe("its state has no column items.b any more")
  const inMap = (...fields: ReadonlyArray<string>): ProcessorDefinition => ({
    ...before,
    state: [
      {
        name: "items",
        required: true,
        type: "map",
        nullable: false,
        value: { type: "struct", fields: fields.map((name) => ({ name, required: false, type: "int" })) }
      }
    ]
  })
  expect(definitionChange(inMap("a", "b"), inMap("a"))).toBe("its state has no column items.b any more")
  expect(change({ state: [...before.state, { name: "m", required: true, type: "int" }] })).toMatch(
    /^the column m of its state does not fit: a new column must be optional/
  )
})
