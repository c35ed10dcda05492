/** The connector of a replay: made with all that it needs, looked at, halted, removed. Each step may be done again. */

import { Effect, Option } from "effect"
import { Connector, sinkConnector } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { Query } from "../../../services/Query.ts"
import { RebuildRefused, RebuildUnavailable } from "../../../services/Rebuild.ts"
import { replication, s3, topic } from "../../../services/Settings.ts"
import { SinkCommits } from "../../../services/SinkCommits.ts"
import { Topics } from "../../../services/Topics.ts"
import * as RebuildTable from "../../table/trino/rebuildTable.ts"
import * as Readers from "./readers.ts"
import { configOf, type Names } from "./rebuildConnector.ts"
import { retryWhileStarting } from "./rebuildFailures.ts"

/** A group that whoever replays is in. */
const lock = "floe-replay"

export const make = Effect.gen(function* () {
  const [connector, groups, topics, commits] = [
    yield* Connector,
    yield* ConsumerGroups,
    yield* Topics,
    yield* SinkCommits
  ]
  const table = RebuildTable.make(yield* Query, (yield* s3).bucket)
  const [log, copies] = [yield* topic, yield* replication]

  /** Two replays at once would put each other's tables and connectors away. */
  const alone = Effect.gen(function* () {
    if (yield* groups.alone(lock)) return
    const reason = `Another floe replay is at work (it is in Kafka's group ${lock}); wait until it ends, or stop it.`
    return yield* new RebuildUnavailable({ reason, cause: lock })
  })

  /** Waits until nobody reads for the connector any more. */
  const quiet = (ids: ReadonlyArray<string>) => Readers.none(ids, retryWhileStarting(Readers.count(groups, ids)))

  /** The topic of the log, as it is now. */
  const logTopic = Effect.fnUntraced(function* () {
    const found = yield* retryWhileStarting(topics.describe(log))
    if (Option.isSome(found)) return found.value
    return yield* new RebuildRefused({ reason: `There is no topic ${log}; floe topics create makes it.` })
  })

  const endOf = Effect.fnUntraced(function* (name: string) {
    const found = yield* topics.describe(name)
    return Option.isNone(found) ? 0 : (found.value.partitions[0]?.end ?? 0)
  })

  /** Where a connector's readers go on: with the log here, and with nothing that its control topic says by now. */
  const begin = Effect.fnUntraced(function* (
    names: Pick<Names, "group" | "coordinator" | "control">,
    positions: ReadonlyArray<{ readonly partition: number; readonly offset: number }>
  ) {
    const { group, coordinator, control } = names
    const end = yield* retryWhileStarting(endOf(control))
    yield* retryWhileStarting(
      groups.move(
        group,
        positions.map((position) => ({ topic: log, ...position }))
      )
    )
    yield* retryWhileStarting(groups.move(coordinator, [{ topic: control, partition: 0, offset: end }]))
  })

  /** What the table has: its rows, and of each partition of the log the next position. None where nothing is, or it is not told. */
  const state = Effect.fnUntraced(function* ({ table: name, control }: Names) {
    const found = yield* table.state(name)
    if (Option.isNone(found)) return { rows: 0, positions: Option.none() }
    const { commit, rows } = found.value
    if (Option.isNone(commit) || commit.value.control !== control) return { rows, positions: Option.none() }
    const told = yield* commits.positions([commit.value])
    return { rows, positions: Option.fromUndefinedOr(told.get(commit.value.id)) }
  })

  const isThere = (names: Names) =>
    connector.config(names.connector).pipe(
      Effect.as(true),
      Effect.catchTag("ConnectorMissing", () => Effect.succeed(false))
    )

  const discard = Effect.fnUntraced(function* ({ connector: name, group, coordinator }: Names) {
    yield* retryWhileStarting(Effect.catchTag(connector.remove(name), "ConnectorMissing", () => Effect.void))
    yield* quiet([group, coordinator])
    yield* retryWhileStarting(groups.remove(group))
    yield* retryWhileStarting(groups.remove(coordinator))
  })

  /** The connector at work, made if it is not there; `finished`: also where the replay had come to its end. */
  const start = Effect.fnUntraced(function* (names: Names, finished: boolean) {
    const { control, table: name } = names
    const sink = yield* connector
      .config(sinkConnector)
      .pipe(Effect.catchTag("ConnectorMissing", (error) => Effect.fail(new RebuildRefused({ reason: error.message }))))
    const hasTable = yield* table.exists(name)
    const another = `choose another name, or drop it with floe query "DROP TABLE ${name}"`
    if (hasTable) {
      const found = yield* table.state(name)
      const commit = Option.flatMap(found, ({ commit }) => commit)
      const isOurs = Option.match(commit, {
        onNone: () => Option.isNone(found) || found.value.rows === 0,
        onSome: (commit) => commit.control === control
      })
      if (!isOurs || Option.isNone(yield* topics.describe(control))) {
        const reason = `There is a table default.${name} already, and no replay of this log into it is under way; ${another}.`
        return yield* new RebuildRefused({ reason })
      }
      if (!(yield* isThere(names)) && Option.isSome(commit)) {
        if (!finished) {
          const reason = `A replay into ${name} is finished already: --swap puts it in place. Or ${another}.`
          return yield* new RebuildRefused({ reason })
        }
        const { positions } = yield* state(names)
        if (Option.isNone(positions)) {
          const reason = `The topic ${control} does not tell how far the log is in default.${name}; ${another}.`
          return yield* new RebuildRefused({ reason })
        }
        yield* quiet([names.group, names.coordinator])
        yield* begin(names, positions.value)
      }
    } else {
      // What is left of one whose table was dropped.
      yield* discard(names)
      yield* topics.remove(control)
      yield* Effect.repeat(topics.describe(control), { schedule: Readers.leaving, until: Option.isNone })
    }
    yield* topics.create({ name: control, partitions: 1, replication: copies })
    // For a moment not every broker knows a topic that was just made.
    yield* retryWhileStarting(topics.begin(names.coordinator, control))
    yield* table.create(name)
    yield* connector.register(names.connector, configOf(sink, names))
    yield* connector.resume(names.connector)
  })

  const halt = Effect.fnUntraced(function* (name: string, ids: ReadonlyArray<string>) {
    yield* retryWhileStarting(connector.stop(name))
    yield* quiet(ids)
  })

  /** For later, without waiting for it. */
  const stop = ({ connector: name }: Names) => Effect.ignore(connector.stop(name))

  return { table, log, logTopic, alone, state, start, stop, discard, halt, begin }
})
export type RebuildRun = Effect.Success<typeof make>
