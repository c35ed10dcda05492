import { assert, it } from "@effect/vitest"
import { planProcessor } from "../../layers/process/planProcessors.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { AppliedProcessor } from "../../services/ProcessorEvolution.ts"
import type { StreamDefinition } from "../../services/StreamDefinition.ts"

const readings: StreamDefinition = {
  name: "readings",
  columns: [{ name: "device", type: "string", required: true }],
  key: "device",
  partitionBy: []
}
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
  inputPartitions: 4,
  statePartitions: 4,
  hasBegun: true,
  hasWritten: true
}
const fresh: AppliedProcessor = {
  applied: undefined,
  inputPartitions: 4,
  statePartitions: undefined,
  hasBegun: false,
  hasWritten: false
}
const plan = (state: Partial<AppliedProcessor>, processor = wanted) =>
  planProcessor(processor, { ...running, ...state }, [readings])
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
    'processor means: its window was {"type":"tumbling","size":3600000} and is {"type":"tumbling","size":7200000} now, and its state does not fit; give it another name and another output stream, or change it back'
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

it("a key of its own needs one partition", () => {
  const own: ProcessorDefinition = { ...wanted, ownKey: true }
  assert.match(plan({}, own).refusals.join(), /^processor means, option key: the topic of readings has 4 partitions/)
  assert.deepStrictEqual(plan({ inputPartitions: 1, statePartitions: 1 }, own).refusals, [])
})
