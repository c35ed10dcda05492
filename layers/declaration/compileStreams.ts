/** Declared streams as definitions. */
import { Schema } from "effect"
import type { CompiledStreams } from "../../services/CompiledStreams.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { StreamDefinition } from "../../services/StreamDefinition.ts"
import { weatherStream } from "../../services/Weather.ts"
import * as Stream from "../../streams/Stream.ts"
import { WeatherHourlyRow } from "../../streams/weatherHourly.ts"
import { compileColumns } from "./compileColumns.ts"
import { compileProcessors, lateStream } from "./compileProcessors.ts"
import { type Fault, sentenceOf } from "./Fault.ts"
import { validateProcessors } from "./validateProcessor.ts"
import { validateStream } from "./validateStream.ts"

type Declared = ReturnType<typeof declared>[number]

/** The streams among a module's exports, each once. */
const declared = (exports: object) => [...new Set(Object.values(exports).filter(Stream.isStream))]

const options = ["schema", "key", "partitionBy", "doc", "renames"]

/** What Node would not notice, as it strips the types. */
const misused = (stream: Declared): ReadonlyArray<Fault> => {
  const unknown = Object.keys(stream).filter((key) => key !== "name" && key !== Stream.TypeId && !options.includes(key))
  return [
    ...unknown.map((key) => ({
      path: "",
      sentence: `Stream.make has no option ${key}; its options are ${options.join(", ")}`
    })),
    ...(Schema.isSchema(stream.schema) ? [] : [{ path: "", sentence: "its schema is missing; it is a Schema.Struct" }])
  ]
}

/** A stream's definition, and its faults. The key order of the result does not depend on the module's. */
const compileStream = (stream: Declared): { definition: StreamDefinition; faults: ReadonlyArray<Fault> } => {
  const { name, schema, key, partitionBy = [], doc, renames = {} } = stream
  const compiled = compileColumns(schema)
  const aliases = new Map(Object.entries(renames))
  const definition: StreamDefinition = {
    name,
    ...(doc === undefined ? {} : { doc }),
    columns: compiled.columns.map((column) => {
      const renamedFrom = aliases.get(column.name)
      return renamedFrom === undefined ? column : { ...column, renamedFrom }
    }),
    key: key ?? null,
    partitionBy: partitionBy.map(({ column, transform, width }) => ({
      column,
      transform,
      ...(width === undefined ? {} : { width })
    }))
  }
  const unknown = [...aliases.keys()].filter((alias) => !compiled.columns.some((column) => column.name === alias))
  // With a column missing, key and partitions would be blamed for what is reported already.
  const faults =
    compiled.faults.length > 0
      ? compiled.faults
      : [
          ...unknown.map((path) => ({
            path,
            sentence: "renames has a name that is not a column; write the new name on the left"
          })),
          ...validateStream(definition)
        ]
  return { definition, faults }
}

/** Of the built-in processor's streams. */
export const builtInNames = [WeatherHourlyRow.name, `${WeatherHourlyRow.name}_late`]

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

/** The streams that a module exports, by name; or a sentence for each fault. Reserved names are faults. */
export const compileStreams = (
  exports: object
): { readonly compiled: CompiledStreams } | { readonly sentences: ReadonlyArray<string> } => {
  const streams = declared(exports)
  const wrong = streams.flatMap((stream) => misused(stream).map((fault) => sentenceOf(stream.name, fault)))
  if (wrong.length > 0) return { sentences: wrong }
  if (streams.length === 0) {
    return { sentences: ['it exports no stream; write: export const Readings = Stream.make("readings", { … })'] }
  }
  const results = streams.map(compileStream)
  const names = results.map(({ definition }) => definition.name)
  const doubled = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))]
  const sentences = [
    ...results.flatMap(({ definition, faults }) => faults.map((fault) => sentenceOf(definition.name, fault))),
    ...doubled.map((name) => `stream ${name}: two streams have this name`)
  ]
  for (const { name } of streams.filter((stream) => stream !== WeatherHourlyRow)) {
    if (builtInNames.includes(name)) {
      sentences.push(`stream ${name}: the name belongs to a built-in stream`)
    }
  }
  const definitions = results.map(({ definition }) => definition)
  const { processors, sentences: ofProcessors } = compileProcessors(
    exports,
    new Map(streams.map((stream) => [stream.name, stream]))
  )
  sentences.push(...ofProcessors)
  if (sentences.length === 0) sentences.push(...validateProcessors(processors, definitions))
  if (sentences.length > 0) return { sentences }
  return { compiled: compiledOf(definitions, processors.sort(byName)) }
}

/** With the streams of late events, and in each derived stream the processor that writes it. */
const compiledOf = (
  streams: ReadonlyArray<StreamDefinition>,
  processors: ReadonlyArray<ProcessorDefinition>
): CompiledStreams => {
  const inputs = new Map([weatherStream.definition, ...streams].map((stream) => [stream.name, stream]))
  const writers = new Map(processors.map(({ name, to }) => [to, name]))
  const late = processors.flatMap((processor) => {
    const input = inputs.get(processor.from)
    return (input && lateStream(processor, input)) ?? []
  })
  const written = streams.map((stream) => {
    const writer = writers.get(stream.name)
    return writer === undefined ? stream : { ...stream, writer }
  })
  return {
    format: 1,
    streams: [...written, ...late].sort(byName),
    ...(processors.length === 0 ? {} : { processors })
  }
}
