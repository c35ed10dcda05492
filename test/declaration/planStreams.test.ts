import { assert, it } from "@effect/vitest"
import { firstVersion } from "../../layers/declaration/assignIds.ts"
import { planStreams } from "../../layers/declaration/planStreams.ts"
import type { Column, StreamDefinition } from "../../services/StreamDefinition.ts"

const column = (
  name: string,
  type: "int" | "long" | "string",
  more: { readonly required?: boolean; readonly renamedFrom?: string } = {}
): Column => ({
  name,
  required: false,
  type,
  ...more
})
const stream = (name: string, columns: ReadonlyArray<Column>): StreamDefinition => ({
  name,
  columns,
  key: null,
  partitionBy: []
})

const given = (...streams: ReadonlyArray<StreamDefinition>) => {
  const histories = new Map(streams.map((one) => [one.name, [firstVersion(one, 1)]]))
  return {
    when: (...declared: ReadonlyArray<StreamDefinition>) => planStreams({ format: 1, streams: declared }, histories)
  }
}

it("a stream that the log does not have is created, with all its columns", () => {
  const [plan] = given().when(stream("clicks", [column("a", "int", { required: true }), column("b", "string")]))
  assert.deepStrictEqual(plan, {
    stream: "clicks",
    action: "create",
    version: 1,
    changes: [
      { kind: "add", path: "a", what: "int" },
      { kind: "add", path: "b", what: "string" }
    ],
    log: ["keeps its events"],
    table: ["default.clicks is created with the first commit"],
    endpoint: ["accepts events at POST /streams/clicks/events"],
    refusals: []
  })
})

it("clients cannot send to a stream that a processor writes", () => {
  const before = { ...stream("totals", [column("a", "int")]), writer: "counts" }
  assert.deepInclude(given().when(before)[0], {
    endpoint: ["rejects events of clients; the processor counts writes it"]
  })
  const after = { ...before, columns: [column("a", "long")] }
  assert.deepInclude(given(before).when(after)[0], { action: "change", endpoint: [] })
})

it("a change has its effects on log, table and endpoint", () => {
  const before = stream("clicks", [column("a", "int"), column("b", "string"), column("c", "string")])
  const after = stream("clicks", [column("a", "long"), column("d", "string", { renamedFrom: "b" }), column("n", "int")])
  const [plan] = given(before).when(after)
  assert.deepInclude(plan, {
    action: "change",
    version: 2,
    log: ["keeps the events of version 1 as they are"],
    table: [
      "a: int → long, without rewriting files",
      "d is renamed from b, with the same id",
      "loses the column c; earlier snapshots still have it",
      "gets the column n (int), NULL in earlier rows"
    ],
    endpoint: ["a: int → long", "accepts d, and rejects its former name", "rejects c", "accepts n"]
  })
})

it("what does not concern the table is no change of it", () => {
  const [plan] = given(stream("clicks", [column("a", "int", { required: true })])).when(
    stream("clicks", [column("a", "int")])
  )
  assert.deepInclude(plan, { action: "change", table: [], endpoint: ["a: required → optional"] })
})

it("an unchanged stream has no effects, and one that is not declared any more is left alone", () => {
  const same = stream("clicks", [column("a", "int")])
  assert.deepStrictEqual(given(same, stream("other", [column("a", "int")])).when(same), [
    { stream: "clicks", action: "none", version: 1, changes: [], log: [], table: [], endpoint: [], refusals: [] }
  ])
})

it("a change that is not possible says why", () => {
  const [plan] = given(stream("clicks", [column("a", "long")])).when(stream("clicks", [column("a", "int")]))
  assert.match(plan?.refusals.join() ?? "", /^stream clicks, column a: its type cannot change from long to int; /)
})
