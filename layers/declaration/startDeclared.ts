/** What a server does with the declaration when it starts: it refuses changed streams, and creates those that are new in the embedded profile. */
import { Clock, Effect, Layer, Option, Schema } from "effect"
import * as Settings from "../../services/Settings.ts"
import type { AppliedStream, StreamDefinition } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import type { TableEvolution } from "../../services/TableEvolution.ts"
import { firstVersion } from "./assignIds.ts"
import { builtIn } from "./builtIn.ts"
import { compareStreams } from "./compareStreams.ts"
import * as Declaration from "./Declaration.ts"
import { sentenceOf } from "./Fault.ts"
import { tableFault } from "./tableFault.ts"

class StreamChanged extends Schema.TaggedError<StreamChanged>()("StreamChanged", {
  file: Schema.String,
  stream: Schema.String,
  changes: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.file} changes the stream ${this.stream} (${this.changes.join("; ")}). Run floe streams plan to see what that means, then floe streams apply, and start again.`
  }
}

/** The distributed profile's server creates nothing: a stream has topics, a table and a connector before it takes events. */
class StreamNotApplied extends Schema.TaggedError<StreamNotApplied>()("StreamNotApplied", {
  file: Schema.String,
  streams: Schema.Array(Schema.String)
}) {
  override get message() {
    const names = this.streams.join(", ")
    return `${this.file} declares ${this.streams.length === 1 ? `the stream ${names}, which is` : `the streams ${names}, which are`} not applied yet. Run floe streams apply, and start again.`
  }
}

const textOf = ({ kind, path, what }: ReturnType<typeof compareStreams>["changes"][number]) => {
  const subject = path === "" ? what : `${path}: ${what}`
  return kind === "change" || kind === "rename" ? subject : `${kind} ${subject}`
}

/** Fails unless the definition is the one in force. */
const assertUnchanged = Effect.fnUntraced(function* (
  file: string,
  history: ReadonlyArray<AppliedStream>,
  wanted: StreamDefinition
) {
  const { changes, refusals } = compareStreams(history, wanted)
  const sentences = refusals.map((fault) => sentenceOf(wanted.name, fault))
  if (sentences.length > 0) return yield* new Declaration.DeclarationInvalid({ file, sentences })
  if (changes.length > 0) return yield* new StreamChanged({ file, stream: wanted.name, changes: changes.map(textOf) })
})

/** Creates the streams that are new; the others must be the ones in force. */
const startStreams = Effect.fnUntraced(function* <E>(
  file: string,
  streams: ReadonlyArray<StreamDefinition>,
  tables: Layer.Layer<TableEvolution, E>
) {
  const applied = yield* Streams
  const known = new Set((yield* applied.all).map(({ definition }) => definition.name))
  // First, so that a start that is refused has created nothing.
  for (const wanted of streams.filter(({ name }) => known.has(name))) {
    yield* assertUnchanged(file, yield* applied.history(wanted.name), wanted)
  }
  const created = streams.filter(({ name }) => !known.has(name))
  if (created.length > 0 && (yield* Settings.profile) === "distributed") {
    return yield* new StreamNotApplied({ file, streams: created.map(({ name }) => name) })
  }
  for (const { name } of created) {
    const fault = yield* Effect.provide(tableFault(name), tables)
    if (fault !== undefined) return yield* new Declaration.DeclarationInvalid({ file, sentences: [fault] })
  }
  for (const wanted of created) {
    yield* applied.record(firstVersion(wanted, yield* Clock.currentTimeMillis))
    yield* Effect.log(`created the stream ${wanted.name}`)
  }
})

const start = Effect.fn("Declaration.start")(function* <E>(tables: Layer.Layer<TableEvolution, E>) {
  const found = yield* Declaration.find
  if (Option.isSome(found)) {
    const { streams } = yield* Declaration.read(found.value)
    yield* startStreams(found.value, streams, tables)
  }
  const hasBuiltIn = (yield* Settings.profile) === "embedded" && (yield* Settings.weatherHourly)
  if (hasBuiltIn) yield* startStreams("Floe", builtIn.streams, tables)
})

/** Runs once the log is open, before the server takes events. `tables` is built only if a stream is new. */
export const layer = <E>(tables: Layer.Layer<TableEvolution, E>) => Layer.effectDiscard(start(tables))
