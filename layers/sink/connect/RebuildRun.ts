/** The connector of a rebuild: creates it with all that it needs, reads its progress, stops it, removes it. Each step may be repeated. */
import { Effect, Option } from "effect"
import { Connector } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { RebuildRefused, RebuildUnavailable } from "../../../services/Rebuild.ts"
import { SinkCommits } from "../../../services/SinkCommits.ts"
import { weather } from "../../../services/TableReader.ts"
import { Topics } from "../../../services/Topics.ts"
import * as RebuildTable from "../../table/trino/rebuildTable.ts"
import * as Readers from "./readers.ts"
import { configOf, type Names } from "./rebuildConnector.ts"
import { retryWhileUnavailable } from "./rebuildFailures.ts"
import type { RebuildTarget } from "./rebuildTarget.ts"

const recordColumns = "transforms.record.columns"

const lockGroup = "floe-replay"

/** Two rebuilds at once would remove each other's tables and connectors. */
export const lock = Effect.gen(function* () {
  const groups = yield* ConsumerGroups
  if (yield* groups.lock(lockGroup)) return
  const reason = `Another floe rebuild is running (it is in Kafka's group ${lockGroup}); wait until it ends, or stop it.`
  return yield* new RebuildUnavailable({ reason, cause: lockGroup })
})

const waitForReaders = (ids: ReadonlyArray<string>) => Readers.none(ids, retryWhileUnavailable(Readers.count(ids)))

/** The log's topic in its present state. */
export const logTopic = Effect.fnUntraced(function* (topic: string) {
  const topics = yield* Topics
  const description = yield* retryWhileUnavailable(topics.describe(topic))
  if (Option.isSome(description)) return description.value
  return yield* new RebuildRefused({ reason: `There is no topic ${topic}; create it with floe topics create.` })
})

const endOf = Effect.fnUntraced(function* (name: string) {
  const { describe } = yield* Topics
  const description = yield* describe(name)
  return Option.isNone(description) ? 0 : (description.value.partitions[0]?.end ?? 0)
})

/** Sets where a connector's readers continue: at these positions of the log, and at the end of its control topic. */
export const moveReaders = Effect.fnUntraced(function* (
  topic: string,
  names: Pick<Names, "group" | "coordinator" | "controlTopic">,
  positions: ReadonlyArray<{ readonly partition: number; readonly offset: number }>
) {
  const { move } = yield* ConsumerGroups
  const { group, coordinator, controlTopic } = names
  const end = yield* retryWhileUnavailable(endOf(controlTopic))
  yield* retryWhileUnavailable(
    move(
      group,
      positions.map((position) => ({ topic, ...position }))
    )
  )
  yield* retryWhileUnavailable(move(coordinator, [{ topic: controlTopic, partition: 0, offset: end }]))
})

/** The table's rows, and the next position of each partition of the log; no positions if there is no commit or they are unknown. */
export const state = Effect.fnUntraced(function* ({ name }: RebuildTarget, { table, controlTopic }: Names) {
  const current = yield* RebuildTable.state(table)
  if (Option.isNone(current)) return { rows: 0, positions: Option.none() }
  const { commit, rows } = current.value
  if (Option.isNone(commit) || commit.value.controlTopic !== controlTopic) return { rows, positions: Option.none() }
  const { positions } = yield* SinkCommits
  const known = yield* positions([commit.value], name)
  return { rows, positions: Option.fromUndefinedOr(known.get(commit.value.id)) }
})

/** Removes the connector and its groups. */
export const discard = Effect.fnUntraced(function* ({ connector: name, group, coordinator }: Names) {
  const connector = yield* Connector
  const groups = yield* ConsumerGroups
  yield* retryWhileUnavailable(Effect.catchTag(connector.remove(name), "ConnectorMissing", () => Effect.void))
  yield* waitForReaders([group, coordinator])
  yield* retryWhileUnavailable(groups.remove(group))
  yield* retryWhileUnavailable(groups.remove(coordinator))
})

const another = (table: string) => `choose another name, or drop the table with floe query "DROP TABLE ${table}"`

const changed = (name: string, table: string) =>
  new RebuildRefused({
    reason: `The stream ${name} has changed since the rebuild into ${table} began, so default.${table} is not its table. Drop it with floe query "DROP TABLE ${table}", and start again.`
  })

/** The rebuild's connector must know the columns that the sink knows: it would leave out events that have newer ones. */
export const requireSameColumns = Effect.fnUntraced(function* (target: RebuildTarget, names: Names) {
  const { name, sink, topic } = target
  const { config } = yield* Connector
  const [ofSink, ofRebuild] = yield* retryWhileUnavailable(
    Effect.all([config(sink.connector), config(names.connector)])
  )
  if (ofSink[recordColumns] !== target.recordColumns) {
    const reason = `The connector ${sink.connector} does not have the columns of its stream; run floe streams apply, or floe connector register ${sink.connector}.`
    return yield* new RebuildRefused({ reason })
  }
  if (ofRebuild.topics !== topic || ofSink[recordColumns] !== ofRebuild[recordColumns]) {
    return yield* changed(name, names.table)
  }
})

const continueWith = Effect.fnUntraced(function* (target: RebuildTarget, names: Names, finished: boolean) {
  const { name, stream, topic } = target
  const { connector, controlTopic, table } = names
  const current = yield* RebuildTable.state(table)
  const commit = Option.flatMap(current, ({ commit }) => commit)
  const isOurs = Option.match(commit, {
    onNone: () => Option.isNone(current) || current.value.rows === 0,
    onSome: (commit) => commit.controlTopic === controlTopic
  })
  const { describe } = yield* Topics
  if (!isOurs || Option.isNone(yield* describe(controlTopic))) {
    const reason = `There is already a table default.${table}, and it is not an unfinished rebuild of this log; ${another(table)}.`
    return yield* new RebuildRefused({ reason })
  }
  const { config } = yield* Connector
  const isRegistered = yield* config(connector).pipe(
    Effect.as(true),
    Effect.catchTag("ConnectorMissing", () => Effect.succeed(false))
  )
  if (isRegistered) return yield* requireSameColumns(target, names)
  if (name !== weather && !(yield* RebuildTable.fits(table, stream))) return yield* changed(name, table)
  if (Option.isNone(commit)) return
  if (!finished) {
    const reason = `The rebuild into ${table} is already complete: --promote puts it in place. Or ${another(table)}.`
    return yield* new RebuildRefused({ reason })
  }
  const { positions } = yield* state(target, names)
  if (Option.isNone(positions)) {
    const reason = `The topic ${controlTopic} no longer shows how much of the log is in default.${table}; ${another(table)}.`
    return yield* new RebuildRefused({ reason })
  }
  yield* waitForReaders([names.group, names.coordinator])
  yield* moveReaders(topic, names, positions.value)
})

/** Starts the connector, and creates it if it is missing; with `finished`, also after the rebuild is complete. */
export const start = Effect.fnUntraced(function* (target: RebuildTarget, names: Names, finished: boolean) {
  const { replication, stream } = target
  const { controlTopic, table } = names
  const connector = yield* Connector
  const topics = yield* Topics
  const sink = yield* connector
    .config(target.sink.connector)
    .pipe(Effect.catchTag("ConnectorMissing", (error) => Effect.fail(new RebuildRefused({ reason: error.message }))))
  if (yield* RebuildTable.exists(table)) yield* continueWith(target, names, finished)
  else {
    // An earlier rebuild, whose table was dropped, may have left these.
    yield* discard(names)
    yield* topics.remove(controlTopic)
    yield* Effect.repeat(topics.describe(controlTopic), { schedule: Readers.leaving, until: Option.isNone })
  }
  yield* topics.create({ name: controlTopic, partitions: 1, replication })
  // For a moment, not every broker knows a new topic.
  yield* retryWhileUnavailable(topics.begin(names.coordinator, controlTopic))
  yield* RebuildTable.create(table, stream)
  yield* connector.register(names.connector, configOf(sink, target.topic, names))
  yield* connector.resume(names.connector)
})

/** Stops the connector, and waits until its readers have left. */
export const stopAndWait = Effect.fnUntraced(function* (name: string, ids: ReadonlyArray<string>) {
  const { stop } = yield* Connector
  yield* retryWhileUnavailable(stop(name))
  yield* waitForReaders(ids)
})

/** Asks Kafka Connect to stop the connector, and ignores failures. */
export const stop = ({ connector: name }: Names) => Effect.ignore(Connector.use((connector) => connector.stop(name)))
