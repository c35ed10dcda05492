/**
 * The records of the topic of streams. `readings/2` is a version of a stream; `readings/pending` the version that an apply
 * is bringing in, with a tombstone once it is recorded; `hourly_mean/processor` is a processor, and
 * `hourly_mean/paused` says that it is paused. `generations` has the generation of the topics of each processor that was
 * rebuilt, all of them in one record, so that they change together. `rebuild` is a rebuild that runs.
 */
import type { Message } from "@confluentinc/kafka-javascript"
import { Option, Schema } from "effect"
import { LogCorrupt } from "../../../services/EventLog.ts"
import { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import { AppliedStream, BegunStream } from "../../../services/StreamDefinition.ts"
import { RunningRebuild } from "../../../services/Streams.ts"

const streamText = Schema.fromJsonString(AppliedStream)
const decode = Schema.decodeUnknownOption(streamText)
const encode = Schema.encodeSync(streamText)
const begunText = Schema.fromJsonString(BegunStream)
const decodeBegun = Schema.decodeUnknownOption(begunText)
const encodeBegun = Schema.encodeSync(begunText)

export const valueOf = (stream: AppliedStream) => Buffer.from(encode(stream))
export const begunValueOf = (stream: AppliedStream, isHeld: boolean) =>
  isHeld ? Buffer.from(encodeBegun({ ...stream, isHeld })) : valueOf(stream)

const processorText = Schema.fromJsonString(ProcessorDefinition)
const decodeProcessor = Schema.decodeUnknownOption(processorText)
const encodeProcessor = Schema.encodeSync(processorText)
export const processorValue = (processor: ProcessorDefinition) => Buffer.from(encodeProcessor(processor))
export const pausedKey = (processor: string) => `${processor}/paused`
export const processorKey = ({ name }: ProcessorDefinition) => `${name}/processor`

const generationsText = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Int))
const decodeGenerations = Schema.decodeUnknownOption(generationsText)
const encodeGenerations = Schema.encodeSync(generationsText)
export const generationsKey = "generations"
export const generationsValue = (generations: ReadonlyMap<string, number>) =>
  Buffer.from(encodeGenerations(Object.fromEntries(generations)))

const rebuildText = Schema.fromJsonString(RunningRebuild)
const decodeRebuild = Schema.decodeUnknownOption(rebuildText)
const encodeRebuild = Schema.encodeSync(rebuildText)
export const rebuildKey = "rebuild"
export const rebuildValue = (rebuild: RunningRebuild) => Buffer.from(encodeRebuild(rebuild))

export const versionKey = ({ definition, version }: AppliedStream) => `${definition.name}/${version}`
export const pendingKey = (name: string) => `${name}/pending`

export interface StreamHistories {
  /** Every version of each stream, oldest first, by name. */
  readonly histories: ReadonlyMap<string, ReadonlyArray<AppliedStream>>
  /** The versions that were begun and not recorded. */
  readonly pending: ReadonlyArray<BegunStream>
  /** By name. */
  readonly processors: ReadonlyArray<ProcessorDefinition>
  /** The names of processors. */
  readonly paused: ReadonlySet<string>
  /** Of the topics of processors that were rebuilt. */
  readonly generations: ReadonlyMap<string, number>
  readonly rebuild: RunningRebuild | undefined
  /** The first record that cannot be read. */
  readonly corrupt: LogCorrupt | undefined
}

export const noStreams: StreamHistories = {
  histories: new Map(),
  pending: [],
  processors: [],
  paused: new Set(),
  generations: new Map(),
  rebuild: undefined,
  corrupt: undefined
}

const byName = (a: string, b: string) => (a < b ? -1 : 1)

/** Folds the topic into the streams; messages with other keys are left out. */
export const folding = () => {
  const applied = new Map<string, AppliedStream>()
  const pending = new Map<string, BegunStream>()
  const processors = new Map<string, ProcessorDefinition>()
  const paused = new Set<string>()
  let generations: ReadonlyMap<string, number> = new Map()
  let rebuild: RunningRebuild | undefined
  const corrupt = new Map<string, LogCorrupt>()

  /** What a record has that is the only one of its kind; undefined after a tombstone, or if it is unreadable. */
  const onlyOne = <A>({ key, offset, partition, value }: Message, decoded: (text: string) => Option.Option<A>) => {
    const text = String(key)
    corrupt.delete(text)
    if (value === null) return undefined
    const found = decoded(value.toString())
    if (Option.isSome(found)) return found.value
    corrupt.set(text, new LogCorrupt({ position: { partition, offset }, reason: `the record ${text} is unreadable` }))
    return undefined
  }

  const takeProcessor = (name: string, { value, partition, offset }: Message) => {
    const key = `${name}/processor`
    processors.delete(name)
    corrupt.delete(key)
    if (value === null) return
    const processor = Option.getOrUndefined(decodeProcessor(value.toString()))
    if (processor?.name === name) processors.set(name, processor)
    else {
      const reason = `the definition of the processor ${name} is unreadable`
      corrupt.set(key, new LogCorrupt({ position: { partition, offset }, reason }))
    }
  }

  const take = (message: Message) => {
    const { key, value, partition, offset } = message
    const text = key?.toString() ?? ""
    if (text === generationsKey) {
      generations = new Map(Object.entries(onlyOne(message, decodeGenerations) ?? {}))
      return
    }
    if (text === rebuildKey) {
      rebuild = onlyOne(message, decodeRebuild)
      return
    }
    const [, processor] = /^([^/]+)\/processor$/.exec(text) ?? []
    if (processor !== undefined) return takeProcessor(processor, message)
    const [, halted] = /^([^/]+)\/paused$/.exec(text) ?? []
    if (halted !== undefined) return void (value === null ? paused.delete(halted) : paused.add(halted))
    const [, name, what] = /^([^/]+)\/(\d+|pending)$/.exec(text) ?? []
    if (name === undefined) return
    const records = what === "pending" ? pending : applied
    records.delete(text)
    corrupt.delete(text)
    if (value === null) return
    const stream = Option.getOrUndefined((what === "pending" ? decodeBegun : decode)(value.toString()))
    if (stream?.definition.name === name && (what === "pending" || String(stream.version) === what)) {
      records.set(text, stream)
    } else {
      const reason = `the definition of the stream ${name} is unreadable`
      corrupt.set(text, new LogCorrupt({ position: { partition, offset }, reason }))
    }
  }

  const histories = () => {
    const versions = [...applied.values()].toSorted((a, b) => a.version - b.version)
    const grouped = [...Map.groupBy(versions, ({ definition }) => definition.name)]
    return new Map(grouped.toSorted(([a], [b]) => byName(a, b)))
  }

  return {
    take,
    state: (): StreamHistories => {
      const known = histories()
      const isComing = ({ definition, version }: AppliedStream) =>
        version > (known.get(definition.name)?.at(-1)?.version ?? 0)
      return {
        histories: known,
        pending: [...pending.values()].filter(isComing),
        processors: [...processors.values()].toSorted((a, b) => byName(a.name, b.name)),
        paused: new Set(paused),
        generations,
        rebuild,
        corrupt: [...corrupt.values()][0]
      }
    }
  }
}
