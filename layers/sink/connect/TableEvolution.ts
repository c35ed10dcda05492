/**
 * Brings what a stream has in the distributed profile to a version, in this order: its pending version in the log, its topics,
 * its table, its connector. Each step may be repeated, so the same call completes one that was interrupted. While a column is
 * renamed, the connector is stopped.
 */
import { Effect, Layer, Option, Schema } from "effect"
import { type Connector, connectorOf } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import type { Query } from "../../../services/Query.ts"
import * as Settings from "../../../services/Settings.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { EvolutionFailed, TableEvolution } from "../../../services/TableEvolution.ts"
import { controlTopicOf, coordinatorOf, deadLettersOf, largestRecord, Topics } from "../../../services/Topics.ts"
import { topicNames } from "../../log/kafka/topicNames.ts"
import * as EvolveTable from "../../table/trino/evolveTable.ts"
import * as Rows from "../../table/trino/rows.ts"
import * as StreamTable from "../../table/trino/streamTable.ts"
import { applyLock } from "./applyLock.ts"
import { asFailure } from "./evolutionFailure.ts"
import * as HeldConnector from "./heldConnector.ts"
import * as IcebergSink from "./icebergSink.ts"

type OnProgress = (step: string) => Effect.Effect<void>

const running =
  "Another floe streams apply is running. Wait until it ends, then run it again. (Kafka forgets one that was killed within 10 seconds.)"

/** The sink drops in silence a value whose column is not in the table, so the former settings do not fit a renamed column. */
const isRenamed = (applied: AppliedStream | undefined, { definition, ids }: AppliedStream) => {
  const before = applied?.definition.columns ?? []
  return definition.columns.some(
    ({ name }) =>
      !before.some((column) => column.name === name) && before.some((column) => ids[column.name] === ids[name])
  )
}

/** A comment of a column that somebody changed is no reason to refuse a change. */
const isShape = ({ statement }: { readonly statement: string }) => !statement.startsWith("COMMENT ")

const Row = Schema.Tuple([Rows.Whole])

const tableExists = Effect.fnUntraced(function* (table: string) {
  const rows = yield* Rows.all(
    { table, operation: "looking for it", row: Row },
    `SELECT count(*) FROM iceberg.information_schema.tables WHERE table_schema = 'default' AND table_name = ${Rows.literal(table)}`
  )
  return rows.some(([count]) => count > 0)
})

const make = Effect.gen(function* () {
  const services = yield* Effect.context<Connector | ConsumerGroups | Query | Streams | Topics>()
  const streams = yield* Streams
  const topics = yield* Topics
  const groups = yield* ConsumerGroups
  const { bucket } = yield* Settings.s3
  const weatherTopic = yield* Settings.topic
  const partitions = yield* Settings.partitions
  const replication = yield* Settings.replication
  const sink = yield* IcebergSink.settings

  const exclusive = groups.lock(applyLock).pipe(
    asFailure,
    Effect.flatMap((isHeld) =>
      isHeld ? Effect.void : Effect.fail(new EvolutionFailed({ reason: running, cause: applyLock }))
    )
  )

  const pendingOf = (stream: string) =>
    Effect.map(streams.pending, (all) => all.find(({ definition }) => definition.name === stream))

  /** Why a stream that is new cannot be created: something of its name is there already. */
  const taken = Effect.fnUntraced(function* (stream: string) {
    if (stream === weatherTopic) {
      return `its topic would be that of weather, as FLOE_TOPIC is ${weatherTopic}; choose another name, or set FLOE_TOPIC`
    }
    if (yield* tableExists(stream)) {
      return `the table default.${stream} exists already, and floe rebuild or another program made it; choose another name, or rename that table in Trino`
    }
    const topic = Option.getOrUndefined(yield* topics.describe(stream))
    if (topic?.partitions.some(({ start, end }) => end > start)) {
      return `the topic ${stream} exists already and has records of another program; choose another name, or delete that topic`
    }
    return undefined
  })

  const inspectPending = Effect.fnUntraced(function* (next: AppliedStream, applied: AppliedStream | undefined) {
    const { name } = next.definition
    const before = applied === undefined ? Option.none() : yield* StreamTable.compare(applied, bucket)
    const after = Option.getOrUndefined(yield* StreamTable.compare(next, bucket))
    const isTouched = Option.match(before, {
      onNone: () => after !== undefined,
      onSome: ({ steps, conflicts, foreign }) => steps.length + conflicts.length + foreign.length > 0
    })
    if (after === undefined || !isTouched) {
      const fault = after === undefined && applied !== undefined ? missing(name) : undefined
      return { begun: { next, stopped: "before its table had any of it", isBinding: false }, fault }
    }
    const stopped = after.steps.length > 0 ? "while its table was changed" : "after its table had it"
    const fault = after.conflicts.length > 0 ? differs(name, after.conflicts) : undefined
    return { begun: { next, stopped, isBinding: true }, fault }
  })

  const inspect = Effect.fn("TableEvolution.inspect")(
    function* (stream: string, applied: AppliedStream | undefined) {
      const pending = yield* pendingOf(stream)
      const state = { begun: undefined, lastId: applied?.lastId ?? 0, fault: undefined }
      if (pending !== undefined) return { ...state, ...(yield* inspectPending(pending, applied)) }
      if (applied === undefined) return { ...state, fault: yield* taken(stream) }
      const table = Option.getOrUndefined(yield* StreamTable.compare(applied, bucket))
      if (table === undefined) return { ...state, fault: missing(stream) }
      const differences = [...table.conflicts, ...table.steps.filter(isShape).map(({ what }) => `it needs ${what}`)]
      return { ...state, fault: differences.length > 0 ? differs(stream, differences) : undefined }
    },
    Effect.provide(services),
    asFailure
  )

  const conflicts = Effect.fn("TableEvolution.conflicts")(
    function* (next: AppliedStream) {
      return Option.match(yield* StreamTable.compare(next, bucket), {
        onNone: (): ReadonlyArray<string> => [],
        onSome: ({ conflicts }) => conflicts
      })
    },
    Effect.provide(services),
    asFailure
  )

  /** The names of those that were not there. */
  const createTopics = Effect.fnUntraced(function* (stream: string, topic: string) {
    const wanted = [
      { name: topic, partitions, replication, maxRecord: largestRecord },
      { name: deadLettersOf(topic), partitions: 1, replication, maxRecord: largestRecord },
      { name: controlTopicOf(stream), partitions: 1, replication }
    ]
    const outcomes = yield* Effect.forEach(wanted, topics.create, { concurrency: wanted.length })
    // A sink without an offset would start at the end of its control topic and skip what it wrote before.
    yield* topics.begin(coordinatorOf(stream), controlTopicOf(stream))
    return outcomes.flatMap(({ name, made }) => (made ? [name] : []))
  })

  /** The table that a rebuild puts in place has the version that it had before. */
  const requireSettled = Effect.fnUntraced(function* ({ definition: { name, writer } }: AppliedStream) {
    const rebuild = yield* streams.rebuild
    if (rebuild?.phase !== "switching" || !rebuild.definitions.some((one) => one.name === writer)) return
    const [first] = rebuild.definitions
    return yield* new EvolutionFailed({
      reason: `A rebuild of the processor ${first.name} is not complete, and ${name} belongs to it; run floe processor rebuild ${first.name} first.`,
      cause: rebuild
    })
  })

  const evolve = Effect.fn("TableEvolution.evolve")(
    function* (next: AppliedStream, onProgress: OnProgress) {
      const { name } = next.definition
      yield* requireSettled(next)
      const before = yield* pendingOf(name)
      const history = yield* streams.history(name)
      const wasHeld = before?.isHeld === true
      const note = (isHeld: boolean) => streams.begin(next, isHeld)
      yield* note(wasHeld)
      yield* onProgress(`${name}: creating its topics`)
      const names = yield* topicNames
      yield* createTopics(name, names.ofStream(name))
      const topic = Option.getOrUndefined(yield* topics.describe(names.ofStream(name)))
      const isHeld = isRenamed(history.at(-1), next) ? yield* HeldConnector.hold(name, wasHeld, note) : wasHeld
      yield* EvolveTable.bringTo(next, { bucket, logId: topic?.id }, (step) => onProgress(`${name}: ${step}`))
      yield* onProgress(`${name}: registering its connector`)
      const config = IcebergSink.configOf(sink, names, [...history, next])
      yield* HeldConnector.release(name, config, isHeld, note)
    },
    Effect.provide(services),
    asFailure
  )

  const restore = Effect.fn("TableEvolution.restore")(
    function* (history: ReadonlyArray<AppliedStream>) {
      const stream = history.at(-1)?.definition.name
      if (stream === undefined) return []
      const begun = yield* pendingOf(stream)
      const names = yield* topicNames
      const made = yield* createTopics(stream, names.ofStream(stream))
      const note = (isHeld: boolean) => (begun === undefined ? Effect.void : streams.begin(begun, isHeld))
      const config = IcebergSink.configOf(sink, names, history)
      const outcome = yield* HeldConnector.release(stream, config, begun?.isHeld === true, note)
      if (begun !== undefined) yield* streams.withdraw(stream)
      const registered = { created: "was registered again", updated: "has its new settings" }
      return [
        ...(begun === undefined
          ? []
          : [`its change to version ${begun.version} is not declared any more, and dropped`]),
        ...made.map((topic) => `the topic ${topic} was created again`),
        ...(outcome === "unchanged" ? [] : [`the connector ${connectorOf(stream)} ${registered[outcome]}`])
      ]
    },
    Effect.provide(services),
    asFailure
  )

  const topicsOf = Effect.fn("TableEvolution.topics")(
    function* (stream: string) {
      const topic = (yield* topicNames).ofStream(stream)
      const names = [topic, deadLettersOf(topic), controlTopicOf(stream)]
      const found = yield* Effect.forEach(names, topics.describe, { concurrency: names.length })
      return found.flatMap((topic) => (Option.isSome(topic) ? [topic.value.name] : []))
    },
    Effect.provide(services),
    asFailure
  )

  return TableEvolution.of({ exclusive, inspect, conflicts, evolve, restore, topics: topicsOf })
})

const missing = (stream: string) => `its table default.${stream} is not there any more; floe doctor shows what to do`

const differs = (stream: string, differences: ReadonlyArray<string>) =>
  `somebody altered its table default.${stream}: ${differences.join("; ")}; floe doctor shows how to undo that`

export const layer = Layer.effect(TableEvolution, make)
