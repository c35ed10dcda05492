import { Effect, Exit, Layer, Option, Stream } from "effect"
import { EventLogReader, type LogBounds, type Position } from "../../../services/EventLog.ts"
import {
  type Discards,
  Rebuild,
  type RebuildProgress,
  RebuildRefused,
  RebuildUnavailable
} from "../../../services/Rebuild.ts"
import { weather } from "../../../services/TableReader.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"
import * as Promote from "./promote.ts"
import * as RebuildRun from "./RebuildRun.ts"
import { type Names, namesOf } from "./rebuildConnector.ts"
import { retryWhileStarting, unavailable } from "./rebuildFailures.ts"
import { missing, placed, sum, within } from "./rebuildProgress.ts"

const look = "1 second"
/** After three commits without progress what is left may be messages that the connector refuses. */
const pause = 15_000
/** A worker that was killed needs half a minute. */
const patience = 180_000

interface Looked {
  readonly events: number
  readonly since: number
}

export const layer = Layer.effect(
  Rebuild,
  Effect.gen(function* () {
    const log = yield* EventLogReader
    const run = yield* RebuildRun.make
    const put = yield* Promote.make(run)

    /** Whether there is no event in all that is left. */
    const nothingLeft = Effect.fnUntraced(function* (
      positions: ReadonlyArray<Position>,
      ends: ReadonlyArray<Position>
    ) {
      for (const { end, ...position } of missing(positions, ends)) {
        const next = yield* Stream.runHead(log.read(position, { until: "end" }))
        if (Option.isSome(next) && next.value.position.offset < end) return false
      }
      return true
    })

    const following = (
      names: Names,
      { partitions }: LogBounds,
      ends: ReadonlyArray<Position>,
      found: number,
      began: number
    ) => {
      const step = Effect.fnUntraced(function* (last: Looked) {
        yield* Effect.sleep(look)
        const now = yield* monotonicMillis
        const state = yield* retryWhileStarting(run.state(names))
        const positions = placed(
          Option.getOrElse(state.positions, () => []),
          partitions
        )
        const events = within(positions, ends)
        const isThere = missing(positions, ends).length === 0
        const stood = events > last.events ? 0 : now - last.since
        const next: Looked = stood === 0 ? { events, since: now } : last
        const done = isThere || (stood >= pause && (yield* nothingLeft(positions, ends)))
        if (!done && stood >= patience) {
          const reason = `The connector ${names.connector} has brought nothing for ${patience / 60_000} minutes; floe connector status ${names.connector} may say why.`
          return yield* new RebuildUnavailable({ reason, cause: positions })
        }
        const progress: RebuildProgress = { events: next.events, total: sum(ends), found }
        return [[progress], done ? Option.none<Looked>() : Option.some(next)] as const
      })
      return Stream.paginate<Looked, RebuildProgress, Effect.Error<ReturnType<typeof step>>>(
        { events: found, since: began },
        step
      )
    }

    const into: Rebuild["Service"]["into"] = (table, { finished = false, discard = {} } = {}) => {
      const names = namesOf(table)
      return Effect.gen(function* () {
        if (table === weather) {
          const reason = `${weather} is the table that the sink writes; replay into another one, and put that in its place with --swap.`
          return yield* new RebuildRefused({ reason })
        }
        const bounds = yield* log.bounds
        const { partitions } = bounds
        const cut = partitions.find(({ start }) => start > 0)
        if (cut !== undefined && discard.missingRows !== true) {
          const reason = `The log begins at offset ${cut.start} of partition ${cut.partition}: what was before has expired or was deleted, and only default.weather still has it. A replay would be without it, which --discard-missing-rows allows.`
          return yield* new RebuildRefused({ reason })
        }
        const ends = partitions.map(({ partition, end }) => ({ partition, offset: end }))
        yield* run.alone
        yield* Effect.addFinalizer((exit) => (Exit.hasInterrupts(exit) ? run.stop(names) : Effect.void))
        yield* run.start(names, finished)
        const before = yield* retryWhileStarting(run.state(names))
        const found = within(
          placed(
            Option.getOrElse(before.positions, () => []),
            partitions
          ),
          ends
        )
        const finish = Effect.gen(function* () {
          yield* run.halt(names.connector, [names.group, names.coordinator])
          const { positions, rows } = yield* retryWhileStarting(run.state(names))
          yield* run.discard(names)
          const last: RebuildProgress = {
            events: rows,
            total: Math.max(rows, sum(Option.getOrElse(positions, () => []))),
            found
          }
          return last
        })
        const first: RebuildProgress = { events: found, total: sum(ends), found }
        return Stream.succeed(first).pipe(
          Stream.concat(following(names, bounds, ends, found, yield* monotonicMillis)),
          Stream.concat(finished ? Stream.empty : Stream.fromEffect(finish))
        )
      }).pipe(Stream.unwrap, Stream.mapError(unavailable))
    }

    const promote = Effect.fn("Rebuild.promote")(
      (table: string, onProgress: (news: string) => Effect.Effect<void>, discard: Discards = {}) =>
        put(table, onProgress, discard),
      Effect.mapError(unavailable)
    )

    return Rebuild.of({ into, promote, continuesWhenInterrupted: false })
  })
)
