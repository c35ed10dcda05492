/** `floe/testing`: a processor over given events, in memory, in any test runner. */
import assert from "node:assert"
import { Result } from "effect"
import type { StreamDefinition } from "../../services/StreamDefinition.ts"
import { weatherStream } from "../../services/Weather.ts"
import type { GivenFunction } from "../../streams/Given.ts"
import * as Processor from "../../streams/Processor.ts"
import * as Stream from "../../streams/Stream.ts"
import { firstVersion } from "../declaration/assignIds.ts"
import { type Options, optionsOf, sourceOf } from "../declaration/compileProcessors.ts"
import { compileStreams } from "../declaration/compileStreams.ts"
import * as Checker from "../ingest/checker/Checker.ts"
import { maxErrors } from "../ingest/checker/limits.ts"
import { type Bound, bind } from "./bind.ts"
import { decoder } from "./codec/decode.ts"
import { rowEncoder } from "./codec/encode.ts"
import { lastTime, timeText } from "./core/eventTime.ts"
import { defaultRoom } from "./core/Task.ts"
import * as MemoryStore from "./memory/Store.ts"
import { pure, pureOptions } from "./pureCalls.ts"
import * as Runner from "./Runner.ts"

const jsonOf = (value: unknown) =>
  JSON.stringify(value, (_, one: unknown) => (typeof one === "bigint" ? one.toString() : one))

/** The given events as the log would have them; as late as can be, so that no event is ahead of its acceptance. */
const inputOf = (events: ReadonlyArray<object>, definition: StreamDefinition) => {
  const { json } = Checker.make(definition)
  return events.map((event, offset): Runner.InputEvent => {
    const checked = json(jsonOf(event), { accepted: timeText(0), all: false })
    const faults = Result.isFailure(checked)
      ? [checked.failure]
      : checked.success.rejected.flatMap(({ errors }) => errors)
    const [record] = Result.isFailure(checked) ? [] : checked.success.records
    if (record === undefined || faults.length > 0) {
      const text = faults
        .slice(0, maxErrors)
        .map(({ field, message }) => `${field.replace(/^\[0\]\.?/, "")} ${message}`)
      throw new Error(`given: the event ${offset} does not fit the stream ${definition.name}: ${text.join("; ")}`)
    }
    return { offset, record, acceptedAt: lastTime, schemaVersion: 1 }
  })
}

/** With functions that throw unless they are pure. */
const purified = (processor: Processor.Processor, given: Options): Processor.Processor => {
  const from = given.get("from")
  const options = pureOptions(given)
  if (!Processor.isRekeyed(from)) return { ...processor, options }
  const key = pure((event) => Reflect.apply(from.key, undefined, [event]))
  return { ...processor, options: { ...options, from: { ...from, key } } }
}

const run = (bound: Bound, input: ReadonlyArray<Runner.InputEvent>, restarts: boolean) => {
  let store = MemoryStore.make()
  const all = Runner.make(bound, store)
  if (!restarts) {
    all.add(input)
    all.commit()
    return store.content()
  }
  for (const event of input) {
    store = store.reopened()
    const runner = Runner.make(bound, store, { room: { ...defaultRoom, keys: 1 } })
    runner.add([event])
    runner.commit()
  }
  return store.content()
}

const textsOf = ({ dead, late, rows, states }: ReturnType<typeof run>) => ({
  rows: rows.map(({ record }) => record),
  late: late.map(({ record }) => record),
  dead: dead.map(({ reason, value }) => `${value} (${reason})`),
  open: [...states.values()].map(({ end, key, start, state }) => `${key} ${start} ${end} ${state}`).sort()
})

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

export const given: GivenFunction = (processor, events) => {
  const options = optionsOf(processor)
  const { stream } = sourceOf(options)
  const isWeather = Stream.isStream(stream) && stream.name === weatherStream.definition.name
  const compiled = compileStreams({ ...(isWeather ? {} : { from: stream }), to: options.get("to"), processor })
  if ("sentences" in compiled) throw new Error(compiled.sentences.join("\n"))
  const { processors: [definition] = [], streams } = compiled.compiled
  const find = (name: string | undefined) =>
    [weatherStream.definition, ...streams].find((stream) => stream.name === name) ?? weatherStream.definition
  if (definition === undefined) throw new Error("given takes a processor and an array of events")
  const [source, target] = [find(definition.from), find(definition.to)]
  const input = inputOf(events, source)
  const bound = bind(purified(processor, options), definition, [firstVersion(source, 0)], target)

  const result = run(bound, input, false)
  const again = run(bound, input, true)
  assert.deepStrictEqual(
    textsOf(again),
    textsOf(result),
    `${definition.name} gives other rows when it is run again, with restarts: its functions may only use what they are given`
  )

  const accepted = target.columns.filter(({ type }) => type === "accepted").map(({ name }) => name)
  const decodeRow = decoder(target.columns)
  const valueOf = (text: string, decode: (text: string) => unknown) => {
    const value = decode(text)
    assert(isObject(value))
    return value
  }
  const rowOf = (text: string) => {
    const row = valueOf(text, decodeRow)
    for (const name of accepted) Reflect.deleteProperty(row, name)
    return row
  }
  const lateOf = (text: string) => valueOf(text, decoder(source.columns))
  const rows = result.rows.map(({ record }) => rowOf(record))
  const late = result.late.map(({ record }) => lateOf(record))
  const encode = rowEncoder(target.columns)

  return {
    rows,
    late,
    dead: result.dead,
    open: [...result.states.values()].map(({ end, key, start, state }) => ({
      key,
      start: timeText(start),
      end: timeText(end),
      state: valueOf(state, bound.states.decode)
    })),
    // biome-ignore lint/suspicious/noThenProperty: given … then is how such tests are written; an await is noticed.
    then: (expected, expectedLate = []) => {
      if (!Array.isArray(expected)) throw new Error("given(…) is no promise; call then(rows, late) without await")
      const wanted = expected.map((row) => rowOf(encode(row, timeText(0))))
      const wantedLate = inputOf(expectedLate, source).map(({ record }) => lateOf(String(record)))
      assert.deepStrictEqual({ rows, late }, { rows: wanted, late: wantedLate })
    }
  }
}
