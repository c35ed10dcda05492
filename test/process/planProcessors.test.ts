import { assert, it } from "@effect/vitest"
import { planProcessor } from "../../layers/process/planProcessors.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { AppliedProcessor } from "../../services/ProcessorEvolution.ts"

const wanted: ProcessorDefinition = {
  name: "means",
  kind: "window",
  from: "readings",
  rekeyed: false,
  to: "hourly",
  late: "means_late",
  window: { type: "tumbling", size: 3_600_000 },
  outOfOrder: 0,
  lateness: 0,
  ahead: 0,
  state: [{ name: "n", type: "int", required: true }],
  onError: "stop"
}
const running: AppliedProcessor = {
  applied: wanted,
  topics: "means",
  inputPartitions: 4,
  statePartitions: 4,
  byKey: undefined,
  hasBegun: true,
  hasWritten: true
}
const fresh: AppliedProcessor = {
  applied: undefined,
  topics: "means",
  inputPartitions: 4,
  statePartitions: undefined,
  byKey: undefined,
  hasBegun: false,
  hasWritten: false
}
const plan = (state: Partial<AppliedProcessor>, processor = wanted) =>
  planProcessor(processor, { ...running, ...state })
const longer: ProcessorDefinition = { ...wanted, window: { type: "tumbling", size: 7_200_000 } }

it("a new processor gets a topic for its state", () => {
  assert.deepStrictEqual(plan(fresh), {
    processor: "means",
    action: "create",
    effects: [
      "reads readings, and writes hourly",
      "gets the topic means-state with 4 partitions, as many as readings has"
    ],
    refusals: []
  })
})

it("one that is as it was has nothing to do, and one that was interrupted is completed", () => {
  assert.deepInclude(plan({}), { action: "none", effects: [], refusals: [] })
  assert.deepInclude(plan({ statePartitions: undefined, hasBegun: false, hasWritten: false }), {
    action: "change",
    effects: ["gets the topic means-state with 4 partitions, as many as readings has"],
    refusals: []
  })
})

it("a change that the state does not fit is refused once there is a state", () => {
  assert.deepInclude(plan({}, { ...wanted, onError: "dead-letter" }), {
    action: "change",
    effects: ["its definition changes; its state fits"],
    refusals: []
  })
  assert.deepInclude(plan({ hasBegun: false, hasWritten: false }, longer), { action: "change", refusals: [] })
  assert.deepStrictEqual(plan({}, longer).refusals, [
    'processor means: its window was {"type":"tumbling","size":3600000} and is {"type":"tumbling","size":7200000} now, and its state does not fit; run floe processor rebuild means, give it another name and another output stream, or change it back'
  ])
})

it("a topic of another program, a state that is gone and added partitions are refused", () => {
  assert.match(
    plan({ applied: undefined }).refusals.join(),
    /^processor means: the topic means-state exists already and/
  )
  assert.match(
    plan({ statePartitions: undefined, hasBegun: false }).refusals.join(),
    /^processor means: the topic means-state of its state is not there any more, and hourly has rows/
  )
  assert.match(
    plan({ inputPartitions: 5 }).refusals.join(),
    /^processor means: the topic of readings has 5 partitions, and had 4 when the processor was applied: events of one key/
  )
  assert.match(plan({ inputPartitions: 5, hasBegun: false }).refusals.join(), /delete that topic, and run/)
})

const own: ProcessorDefinition = { ...wanted, ownKey: true }
const whole = { partitions: 4, hasRecords: true, hasState: true }
const byKey = (more: Partial<NonNullable<AppliedProcessor["byKey"]>>) =>
  plan({ applied: own, byKey: { ...whole, ...more } }, own)

it("a key of its own gets a topic of the input by that key, and one for its place in the input", () => {
  const none = { partitions: undefined, hasRecords: false, hasState: false }
  assert.deepInclude(plan({ ...fresh, byKey: none }, own), {
    action: "create",
    effects: [
      "reads readings, and writes hourly",
      "gets the topic means_by_key with 4 partitions, as many as readings has: the events of readings by another key",
      "gets the topic means_by_key-state",
      "gets the topic means-state with 4 partitions, as many as readings has"
    ],
    refusals: []
  })
  assert.deepInclude(byKey({}), { action: "none", effects: [], refusals: [] })
  assert.deepInclude(
    plan({ applied: own, byKey: none, statePartitions: undefined, hasBegun: false, hasWritten: false }, own),
    {
      action: "change",
      refusals: []
    }
  )
})

it("its topics are refused if another program has written to them, or they are not as they were", () => {
  assert.match(
    plan({ ...fresh, byKey: whole }, own).refusals.join(),
    /the topic means_by_key exists already and has records of another program/
  )
  assert.match(
    byKey({ partitions: undefined, hasRecords: false }).refusals.join(),
    /the topic means_by_key of its input by key is not there any more, and its state was made from it; restore/
  )
  assert.match(
    byKey({ hasState: false }).refusals.join(),
    /the topic means_by_key-state with its place in its input is not there any more, and means_by_key would get all/
  )
  assert.match(
    byKey({ partitions: 5 }).refusals.join(),
    /the topic means_by_key has 5 partitions, and must have 4 as that of readings; give it another name/
  )
})

it("a move between the stream's key and a function's is refused once there is a state", () => {
  assert.deepStrictEqual(plan({ byKey: whole }, own).refusals, [
    "processor means: its key was the stream's and is a function's now, and its state does not fit; run floe processor rebuild means, give it another name and another output stream, or change it back"
  ])
  assert.match(plan({ applied: own }).refusals.join(), /its key was a function's and is the stream's now/)
})
