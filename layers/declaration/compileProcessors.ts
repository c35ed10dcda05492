/** Declared processors as definitions, and the streams of their late events. */
import { Schema } from "effect"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { Column, StreamDefinition } from "../../services/StreamDefinition.ts"
import { weatherStream } from "../../services/Weather.ts"
import * as Processor from "../../streams/Processor.ts"
import * as Stream from "../../streams/Stream.ts"
import { compileColumns } from "./compileColumns.ts"
import { type Fault, processorSentence } from "./Fault.ts"
import { lengthFaults } from "./validateProcessor.ts"

type Kind = Processor.Processor["kind"]

const common = ["from", "to", "doc", "onError"]
const states = ["key", "state", "zero", "add", "emit"]
const options: Record<Kind, ReadonlyArray<string>> = {
  window: [...common, ...states, "time", "window", "outOfOrder", "lateness", "ahead", "closeWhenIdle", "merge"],
  fold: [...common, ...states],
  map: [...common, "map"],
  filter: [...common, "keep"]
}
const functions: Record<Kind, ReadonlyArray<string>> = {
  window: ["time", "add", "emit"],
  fold: ["add", "emit"],
  map: ["map"],
  filter: ["keep"]
}

/** The options by name; they come from a module of which Node strips the types. */
export const optionsOf = ({ options }: Processor.Processor) => new Map<string, unknown>(Object.entries(options))
export type Options = ReturnType<typeof optionsOf>

type Values = ReadonlyArray<unknown>
export const isFunction = (value: unknown): value is (...values: Values) => unknown => typeof value === "function"

export const sourceOf = (given: Options) => {
  const from = given.get("from")
  return Processor.isRekeyed(from) ? { stream: from.stream, rekey: from.key } : { stream: from, rekey: undefined }
}

const isWindowValue = Schema.is(
  Schema.Union([
    Schema.Struct({ type: Schema.Literal("tumbling"), size: Schema.Number }),
    Schema.Struct({ type: Schema.Literal("hopping"), size: Schema.Number, every: Schema.Number }),
    Schema.Struct({ type: Schema.Literal("session"), gap: Schema.Number })
  ])
)

interface Declared {
  readonly definition: ProcessorDefinition
  readonly faults: ReadonlyArray<Fault>
}

const compileOne = (processor: Processor.Processor, streams: ReadonlyMap<string, unknown>): Declared => {
  const { name, kind } = processor
  const given = optionsOf(processor)
  const isWindow = kind === "window"
  const faults: Array<Fault> = []
  const fault = (path: string, sentence: string) => void faults.push({ path, sentence })

  const streamName = (option: string, value: unknown) => {
    if (!Stream.isStream(value)) {
      fault(option, "it must be a stream: export const … = Stream.make(…)")
      return ""
    }
    if (value.name !== weatherStream.definition.name && streams.get(value.name) !== value) {
      fault(option, `the module does not export the stream ${value.name}`)
    }
    return value.name
  }
  const length = (option: string) => {
    const millis = given.get(option)
    return isWindow && typeof millis === "number" ? millis : 0
  }

  for (const option of given.keys()) {
    if (!options[kind].includes(option)) {
      fault("", `Processor.${kind} has no option ${option}; its options are ${options[kind].join(", ")}`)
    }
  }
  for (const option of functions[kind]) {
    if (!isFunction(given.get(option))) fault(option, "it must be a function")
  }
  const { stream, rekey } = sourceOf(given)
  const from = streamName("from", stream)
  const to = streamName("to", given.get("to"))
  const window = given.get("window")
  if (isWindow && !isWindowValue(window)) fault("window", "it must be a Window.tumbling, hopping or session")
  if (isWindow && isWindowValue(window) && window.type === "session" && !isFunction(given.get("merge"))) {
    fault("merge", "sessions need a function that merges two states")
  }
  const isKeyed = isWindow || kind === "fold"
  const key = given.get("key")
  if (isKeyed && key === undefined && rekey === undefined && Stream.isStream(stream) && stream.key === undefined) {
    fault("key", `the stream ${from} has no key, so the processor needs one: key: (event) => event.…`)
  }
  if (key !== undefined && !isFunction(key)) fault("key", "it must be a function")
  const onError = given.get("onError") ?? "stop"
  if (onError !== "stop" && onError !== "dead-letter") fault("onError", "it must be stop or dead-letter")
  const { columns, faults: ofState } = stateOf(given, isKeyed)
  faults.push(...ofState)
  const doc = given.get("doc")
  const definition: ProcessorDefinition = {
    name,
    kind,
    ...(typeof doc === "string" ? { doc } : {}),
    from,
    rekeyed: rekey !== undefined,
    ...(isKeyed && key !== undefined ? { ownKey: true } : {}),
    to,
    late: isWindow ? `${name}_late` : null,
    window: isWindow && isWindowValue(window) ? window : null,
    outOfOrder: length("outOfOrder"),
    lateness: length("lateness"),
    ahead: length("ahead"),
    ...(isWindow && given.has("closeWhenIdle") ? { closeWhenIdle: length("closeWhenIdle") } : {}),
    state: columns,
    onError: onError === "dead-letter" ? onError : "stop"
  }
  return { definition, faults: [...faults, ...lengthFaults(definition)] }
}

const stateOf = (
  given: Options,
  isKeyed: boolean
): { columns: ReadonlyArray<Column>; faults: ReadonlyArray<Fault> } => {
  if (!isKeyed) return { columns: [], faults: [] }
  const state = given.get("state")
  if (!Schema.isSchema(state)) {
    return {
      columns: [],
      faults: [{ path: "state", sentence: "it must be a Schema.Struct with the columns of the state" }]
    }
  }
  const { columns, faults } = compileColumns(state)
  const accepted = columns.filter(({ type }) => type === "accepted")
  const reserved = columns.filter(({ name }) => ["key", "window_start", "window_end"].includes(name.toLowerCase()))
  const zero = given.get("zero")
  return {
    columns,
    faults: [
      ...faults.map(({ path, sentence }) => ({ path: path === "" ? "state" : `state.${path}`, sentence })),
      ...accepted.map(({ name }) => ({ path: `state.${name}`, sentence: "a state has no Column.accepted" })),
      ...reserved.map(({ name }) => ({
        path: `state.${name}`,
        sentence: "the view of the states has a column of this name already; choose another one"
      })),
      ...(typeof zero === "object" && zero !== null
        ? []
        : [{ path: "zero", sentence: "it must be the state before the first event" }])
    ]
  }
}

/** The processors among a module's exports, each once. */
export const declaredProcessors = (exports: object) => [
  ...new Set(Object.values(exports).filter(Processor.isProcessor))
]

/** `streams` are the exported ones by name. */
export const compileProcessors = (exports: object, streams: ReadonlyMap<string, unknown>) => {
  const results = declaredProcessors(exports).map((processor) => compileOne(processor, streams))
  return {
    processors: results.map(({ definition }) => definition),
    sentences: results.flatMap(({ definition, faults }) =>
      faults.map((fault) => processorSentence(definition.name, fault))
    )
  }
}

/** The stream of a processor's late events: the columns and the partitions of its input. */
export const lateStream = (
  { late, name }: ProcessorDefinition,
  input: StreamDefinition
): StreamDefinition | undefined =>
  late === null
    ? undefined
    : {
        name: late,
        doc: `Events of ${input.name} that came too late for ${name}`,
        // What the server has set stays as it was.
        columns: input.columns.map(({ renamedFrom: _, ...column }) =>
          column.type === "accepted" ? { ...column, type: "timestamptz" } : column
        ),
        key: input.key,
        partitionBy: input.partitionBy,
        writer: name
      }
