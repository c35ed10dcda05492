/** Declared streams as definitions. */
import { Schema } from "effect"
import type { CompiledStreams, StreamDefinition } from "../../services/StreamDefinition.ts"
import * as Stream from "../../streams/Stream.ts"
import { compileColumns } from "./compileColumns.ts"
import { type Fault, sentenceOf } from "./Fault.ts"
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
  if (sentences.length > 0) return { sentences }
  return { compiled: { format: 1, streams: results.map(({ definition }) => definition).sort(byName) } }
}
