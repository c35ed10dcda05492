/**
 * Putting a table that a replay keeps up with the log in place of `default.weather`.
 *
 * The sink of `default.weather` is stopped, the replay comes at least as far as it was and is stopped too; then the one
 * commit, and the sink goes on from where the new table is. Whatever dies on the way, doing all of it again is right:
 * the replay goes on, and the sink stands still until both its table and its place in the log are the new ones.
 */

import { Effect, Option, Schedule } from "effect"
import { Connector, sinkConnector } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import type { Position } from "../../../services/EventLog.ts"
import { type Discards, RebuildRefused, RebuildUnavailable } from "../../../services/Rebuild.ts"
import { describeChange } from "../../../services/TableChecksums.ts"
import { weather } from "../../../services/TableReader.ts"
import { control, coordinator, Topics } from "../../../services/Topics.ts"
import { monotonic, monotonicMillis } from "../../runtime/elapsed.ts"
import { plural } from "../../runtime/plural.ts"
import type { RebuildRun } from "./RebuildRun.ts"
import { type Names, namesOf } from "./rebuildConnector.ts"
import { continues, leaving, retryWhileStarting } from "./rebuildFailures.ts"
import { missing, placed } from "./rebuildProgress.ts"

const sink = { group: `connect-${sinkConnector}`, coordinator, control }

/** A commit every 5 seconds; half a minute after a worker was killed. */
const patience = 180_000
const look = Schedule.spaced("1 second")
/** Trino gives a statement up whose client is gone for 5 minutes. */
const abandoned = Schedule.spaced("2 seconds").pipe(Schedule.upTo({ duration: "6 minutes" }), monotonic)

const stopped = `The connector ${sinkConnector} stays stopped, the log goes on; do not resume it by hand: ${continues}.`

const asFound = `The connector ${sinkConnector} was stopped before and stays so. If that was a swap which broke off, do not resume it: ${continues}.`

type Told = (news: string) => Effect.Effect<void>

export const make = Effect.fnUntraced(function* (run: RebuildRun) {
  const { table, log } = run
  const [connector, groups, topics] = [yield* Connector, yield* ConsumerGroups, yield* Topics]

  const resume = retryWhileStarting(connector.resume(sinkConnector))
  const isStopped = Effect.map(
    retryWhileStarting(connector.status(sinkConnector)),
    (status) => status.connector.state === "STOPPED"
  )

  const refuse = (reason: string) => Effect.fail(new RebuildRefused({ reason }))

  /** What would only be found when the sink stands still already. */
  const allowed = Effect.fnUntraced(function* ({ connector: replay, table: name }: Names, discard: Discards) {
    yield* Effect.catchTag(connector.config(sinkConnector), "ConnectorMissing", (error) => refuse(error.message))
    yield* Effect.catchTag(connector.config(replay), "ConnectorMissing", () =>
      refuse(`There is no replay into ${name} to put in place; floe replay --into ${name} --swap makes one.`)
    )
    const { hours, most } = yield* table.hours(name)
    if (hours > most) {
      return yield* refuse(
        `default.${name} has ${hours} hours, and Trino writes at most ${most} at once: set iceberg.max-partitions-per-writer to ${hours * 2} in its catalog's file and start it again; then ${continues}.`
      )
    }
    if (!(yield* table.exists(weather)) || discard.otherWriters === true) return
    const others = yield* table.otherWriters
    if (others.length === 0) return
    const shown = [
      ...others.slice(0, 3).map(describeChange),
      ...(others.length > 3 ? [`${others.length - 3} more`] : [])
    ]
    return yield* refuse(
      `default.weather was changed by another writer (${shown.join("; ")}), which the log does not know and a swap would undo. Nothing was changed; the same command with --discard-other-writers undoes it.`
    )
  })

  /** Rows of the old table that would be gone, once the new one has all that the log has. */
  const keeping = Effect.fnUntraced(function* (name: string, discard: Discards, told: Told) {
    if (discard.missingRows === true || !(yield* retryWhileStarting(table.exists(weather)))) return
    yield* told("looking for rows that only default.weather has")
    const lost = yield* retryWhileStarting(table.lost(name))
    const written =
      discard.otherWriters === true
        ? (yield* retryWhileStarting(table.otherWriters)).reduce((sum, { added }) => sum + added, 0)
        : 0
    if (lost <= written) return
    const rows = plural(lost, "row")
    return yield* refuse(
      `default.weather has ${rows} of which the log has no event, and default.${name} is without them. Nothing was changed; keep them first, with floe query "CREATE TABLE weather_before AS SELECT * FROM weather", and give the same command with --discard-missing-rows.`
    )
  })

  /** One that was left alone by who began it would undo what the sink commits later. */
  const noOther = Effect.gen(function* () {
    const running = yield* Effect.repeat(retryWhileStarting(table.isReplacing()), {
      schedule: abandoned,
      until: (running) => !running
    })
    if (!running) return
    const reason =
      "Trino is still at putting a table in place of default.weather that was begun before; look at its queries."
    return yield* new RebuildUnavailable({ reason, cause: running })
  })

  /** The replay's table, once it has all that the sink's has, with both connectors stopped. */
  const gather = Effect.fnUntraced(function* (names: Names, discard: Discards, told: Told) {
    const replay = [names.group, names.coordinator]
    yield* told("stopping the connector")
    yield* run.halt(sinkConnector, [sink.group, sink.coordinator])
    const group = yield* retryWhileStarting(groups.find(sink.group))
    const offsets = Option.match(group, { onNone: () => [], onSome: ({ offsets }) => offsets })
    const { partitions } = yield* run.logTopic()
    // Of a topic that was deleted the group may have offsets beyond the end of the one that is here now.
    const endOf = (partition: number) => partitions.find((one) => one.partition === partition)?.end ?? 0
    const wanted: ReadonlyArray<Position> = offsets
      .filter(({ topic }) => topic === log)
      .map(({ partition, offset }) => ({ partition, offset: Math.min(offset, endOf(partition)) }))
    const isEmpty = partitions.every(({ start, end }) => start === end)
    const began = yield* monotonicMillis
    const caughtUp = Effect.gen(function* () {
      yield* told("waiting for the rest of the log")
      const { positions, rows } = yield* retryWhileStarting(run.state(names))
      const reached = Option.orElse(positions, () => (isEmpty && rows === 0 ? Option.some([]) : Option.none()))
      if (Option.isSome(reached)) {
        const places = placed(reached.value, partitions)
        if (missing(places, wanted).length === 0) return Option.some({ positions: places, rows })
      }
      if ((yield* monotonicMillis) - began < patience) return Option.none()
      const reason = `The connector ${names.connector} brings nothing more; floe connector status ${names.connector} may say why.`
      return yield* new RebuildUnavailable({ reason, cause: positions })
    })
    for (;;) {
      yield* Effect.repeat(caughtUp, { schedule: look, until: Option.isSome })
      yield* run.halt(names.connector, replay)
      const last = yield* caughtUp
      if (Option.isSome(last)) {
        yield* noOther
        yield* keeping(names.table, discard, told)
        if (yield* isStopped) return last.value
        const reason = `Somebody has resumed the connector ${sinkConnector} during the swap; ${continues}.`
        return yield* new RebuildUnavailable({ reason, cause: last.value })
      }
      // Its very last commit does not tell how far it is; the next one will.
      yield* retryWhileStarting(connector.resume(names.connector))
    }
  })

  const current = Effect.gen(function* () {
    if (!(yield* retryWhileStarting(table.exists(weather)))) return undefined
    return Option.getOrUndefined(yield* retryWhileStarting(table.state(weather)))
  })

  /** If the statement fails, what has become of it: a table that was made anew begins with a snapshot without a parent. */
  const exchange = Effect.fnUntraced(function* (name: string, back: typeof resume) {
    const before = yield* current
    const { id } = yield* run.logTopic()
    yield* table.replaceWeather(name, id).pipe(
      Effect.catch(
        Effect.fnUntraced(function* (error) {
          yield* noOther
          const now = yield* current
          if (now !== undefined && now.snapshot !== before?.snapshot && now.parent === null) return
          yield* back
          return yield* refuse(`Trino could not put it in place, and nothing was changed: ${error.message}`)
        })
      )
    )
  })

  const put = Effect.fnUntraced(function* (
    names: Names,
    { positions, rows }: Effect.Success<ReturnType<typeof gather>>,
    told: Told,
    back: typeof resume
  ) {
    const name = names.table
    yield* told("putting it in place")
    yield* exchange(name, back)
    yield* run.begin(sink, positions)
    yield* resume
    const upTo = positions.map(({ partition, offset }) => `${partition}/${offset}`).join(", ")
    return `default.${name} is in place of default.weather: ${plural(rows, "row")}, the log up to ${upTo} (partition/offset). The copy default.${name} stays; floe query "DROP TABLE ${name}" removes it.`
  })

  const clear = Effect.fnUntraced(
    function* (names: Names) {
      yield* run.discard(names)
      yield* topics.remove(names.control)
    },
    Effect.catch((error) => Effect.logWarning(`What the replay needed stays in part. ${error.message}`))
  )

  return Effect.fnUntraced(function* (table: string, told: Told, discard: Discards) {
    const names = namesOf(table)
    yield* run.alone
    yield* Effect.tapError(allowed(names, discard), () => run.stop(names))
    // After a swap that died behind its commit, the sink would bring again what the new table has already.
    const back: typeof resume = (yield* isStopped) ? Effect.logWarning(asFound) : resume
    return yield* Effect.uninterruptibleMask(
      Effect.fnUntraced(function* (restore) {
        const gathered = yield* restore(gather(names, discard, told)).pipe(
          Effect.onInterrupt(() => Effect.andThen(Effect.ignore(back), run.stop(names))),
          Effect.catch((error) => Effect.andThen(Effect.mapError(back, leaving(stopped)), Effect.fail(error)))
        )
        const outcome = yield* Effect.mapError(put(names, gathered, told, back), leaving(stopped))
        yield* clear(names)
        return outcome
      })
    )
  }, Effect.scoped)
})
