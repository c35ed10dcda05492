/**
 * Processors run again over the log, to be compared with what they have written, or to see a state of the past.
 * Owns: the run, and its files. Does not own: putting a new file in place.
 */
import { join } from "node:path"
import { Context, Effect, Layer, Schema, type Scope } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLogReader, type LogCorrupt, type LogUnavailable, type Position } from "../../services/EventLog.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import { weather } from "../../services/TableReader.ts"
import { messageOf } from "../runtime/sqliteReason.ts"
import { type Compared, compareOutputs } from "./compareOutputs.ts"
import type { StreamDifference } from "./RowComparison.ts"
import { type OnReplayed, ReplayFailed, replayInProcess, temporaryPlace } from "./replayInProcess.ts"
import { processedUpTo, writeStates } from "./sqlite/stateLines.ts"

export interface Rerun {
  readonly definition: ProcessorDefinition
  /** The offset of the input up to which it ran, exclusive; of several partitions their sum. */
  readonly until: number
  /** Events of the input that the processor itself has not processed, so that there is nothing to compare. */
  readonly waiting: number
  /** What has these offsets: the stream, or on Kafka the topic of its events by another key. */
  readonly reads: string
  /** The same for each partition of what it reads. */
  readonly upTo: ReadonlyArray<Position>
  /** Its output and its late events. */
  readonly streams: ReadonlyArray<StreamDifference>
}

/** A place in the input of a processor: an offset, of the one partition or of each, or a time in milliseconds since 1970. */
export type Place = { readonly offset: number; readonly partition?: number | undefined } | { readonly time: number }

export interface RerunOptions {
  /** Compares only rows of events that were accepted then: milliseconds since 1970. */
  readonly from?: number | undefined
  readonly before?: number | undefined
  readonly onProgress?: ((events: number, of: number) => Effect.Effect<void>) | undefined
}

export interface PastState {
  readonly definition: ProcessorDefinition
  readonly until: number
  /** A file of JSON objects, one a line, with the columns of the processor's state. */
  readonly lines: string
}

type ReplayError = ReplayFailed | LogCorrupt | LogUnavailable

export class NotBegun extends Schema.TaggedError<NotBegun>()("NotBegun", {
  name: Schema.String,
  /** What starts it. */
  start: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    return `The processor ${this.name} has not begun; start it first (${this.start ?? "npm start"}).`
  }
}

export class ProcessorReplays extends Context.Service<
  ProcessorReplays,
  {
    /** Runs the processor up to where it is, and compares the rows. */
    readonly rerun: (name: string, options?: RerunOptions) => Effect.Effect<Rerun, ReplayError | NotBegun>
    /** The state of the processor before the event at that place. */
    readonly stateAt: (
      name: string,
      place: Place,
      onProgress: NonNullable<RerunOptions["onProgress"]>
    ) => Effect.Effect<PastState, ReplayError | NotBegun, Scope.Scope>
  }
>()("floe/layers/process/ProcessorReplays") {
  static readonly layer = Layer.effect(
    ProcessorReplays,
    Effect.gen(function* () {
      const services = yield* Effect.context<DataFolder | EventLogReader>()
      const folder = yield* DataFolder
      const logs = yield* EventLogReader

      const reading = <A>(name: string, read: () => A) =>
        Effect.try({
          try: read,
          catch: (cause) =>
            new ReplayFailed({
              reason: `The file of the processor ${name} cannot be read: ${messageOf(cause)}`
            })
        })
      const known = Effect.fnUntraced(function* (name: string) {
        const kept = yield* reading(name, () => processedUpTo(folder, name))
        return kept ?? (yield* new NotBegun({ name }))
      })
      const logOf = (stream: string) => (stream === weather ? logs : logs.of(stream))
      const boundsOf = (stream: string) => Effect.map(logOf(stream).bounds, ({ partitions: [bounds] }) => bounds)
      const offsetOf = Effect.fnUntraced(function* (stream: string, place: Place) {
        if ("offset" in place) return place.offset
        const log = logOf(stream)
        const bounds = yield* boundsOf(stream)
        return bounds === undefined ? 0 : yield* log.firstAt(bounds, place.time)
      })
      const progressOf =
        (of: number, onProgress: RerunOptions["onProgress"]): OnReplayed =>
        (_, events) =>
          onProgress?.(events, of) ?? Effect.void

      return ProcessorReplays.of({
        rerun: Effect.fn("ProcessorReplays.rerun")(
          function* (name: string, options: RerunOptions = {}) {
            const kept = yield* known(name)
            const { definition, ends, next } = kept
            const { before = Number.POSITIVE_INFINITY, from = Number.NEGATIVE_INFINITY } = options
            const until = Number.isFinite(before)
              ? Math.min(next, yield* offsetOf(definition.from, { time: before }))
              : next
            const place = yield* temporaryPlace
            yield* replayInProcess(
              { names: [name], into: place.processors, until, ticks: kept.ticks.length },
              progressOf(until, options.onProgress)
            )
            const streams = yield* reading(name, () => {
              const again = processedUpTo(place, name)
              const { late, to } = again?.definition ?? definition
              return [to, ...(late === null ? [] : [late])].map((stream) => {
                const before_: Compared = { folder, end: ends.get(stream) ?? 0 }
                const now: Compared = { folder: place, end: again?.ends.get(stream) ?? 0 }
                return compareOutputs(name, stream, before_, now, { from, before })
              })
            })
            const end = (yield* boundsOf(definition.from))?.end ?? next
            const upTo = [{ partition: 0, offset: until }]
            return { definition, until, reads: definition.from, upTo, waiting: Math.max(0, end - next), streams }
          },
          Effect.scoped,
          Effect.provide(services)
        ),
        stateAt: Effect.fn("ProcessorReplays.stateAt")(function* (name: string, where: Place, onProgress) {
          const { definition } = yield* known(name)
          if ("offset" in where && (where.partition ?? 0) > 0) {
            return yield* new ReplayFailed({
              reason: `There is no partition ${where.partition}: the embedded log has partition 0 alone.`
            })
          }
          const until = yield* offsetOf(definition.from, where)
          const place = yield* Effect.provide(temporaryPlace, services)
          yield* Effect.provide(
            replayInProcess(
              { names: [name], into: place.processors, until, ...("time" in where ? { before: where.time } : {}) },
              progressOf(until, onProgress)
            ),
            services
          )
          const lines = join(place.processors, "state.ndjson")
          const past = yield* reading(name, () => {
            const again = processedUpTo(place, name)
            const shape = again?.definition ?? definition
            writeStates(place, name, shape.window !== null, lines)
            return { definition: shape, until: again?.next ?? 0 }
          })
          return { ...past, lines }
        })
      })
    })
  )
}
