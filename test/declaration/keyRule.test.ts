import { assert, it } from "@effect/vitest"
import { keyFaults } from "../../layers/declaration/keyRule.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { StreamDefinition } from "../../services/StreamDefinition.ts"

const stream = (name: string, key: string | null): StreamDefinition => ({
  name,
  columns: [{ name: "device", type: "string", required: true }],
  key,
  partitionBy: []
})
const streams = [stream("readings", "device"), stream("clicks", null)]

const processor = (more: Partial<ProcessorDefinition>): ProcessorDefinition => ({
  name: "sums",
  kind: "fold",
  from: "readings",
  rekeyed: false,
  to: "sums",
  late: null,
  window: null,
  outOfOrder: 0,
  lateness: 0,
  ahead: 0,
  state: [{ name: "n", type: "int", required: true }],
  onError: "stop",
  ...more
})

const faults = (more: Partial<ProcessorDefinition>, partitions: number) =>
  keyFaults([processor(more)], streams, partitions)

it("the key of the stream, one partition, and functions without a state need nothing", () => {
  assert.deepStrictEqual(faults({}, 4), [])
  for (const more of [{ ownKey: true as const }, { rekeyed: true }, { from: "weather", ownKey: true as const }]) {
    assert.deepStrictEqual(faults(more, 1), [])
  }
  assert.deepStrictEqual(faults({ kind: "map", from: "clicks", state: [] }, 4), [])
  assert.deepStrictEqual(faults({ kind: "filter", from: "clicks", state: [] }, 4), [])
})

it("another key over several partitions is refused, with what to do", () => {
  assert.deepStrictEqual(faults({ ownKey: true }, 4), [
    "processor sums, option key: the topic of readings has 4 partitions, and events of one key would be in several of them; leave key out to process by the stream's key device, or declare a stream with the key that you need"
  ])
  assert.deepStrictEqual(faults({ from: "weather", ownKey: true }, 2), [
    "processor sums, option key: the topic of weather has 2 partitions, and events of one key would be in several of them; declare a stream with that key, or one with one partition (FLOE_PARTITIONS=1 when its topic is created)"
  ])
  assert.match(faults({ rekeyed: true }, 4).join(), /option from: .*from a topic of its own is not there yet; leave /)
})
