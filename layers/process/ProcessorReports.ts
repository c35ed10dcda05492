/**
 * What the processors of this log do.
 * Owns: reading their files and the report of the process that runs them. Does not own: running them.
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Clock, Context, Effect, Layer, Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLogReader, type LogCorrupt, type LogUnavailable } from "../../services/EventLog.ts"
import { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { nearest } from "../runtime/nearest.ts"
import { pauseFile } from "./pauseFile.ts"
import { processorState } from "./sqlite/stateLines.ts"

/** Without a newer report, the process hangs or has ended. */
const silenceMillis = 5_000

const WorkerReport = Schema.fromJsonString(
  Schema.Struct({
    pid: Schema.Int,
    at: Schema.Int,
    processors: Schema.Record(
      Schema.String,
      Schema.Struct({
        state: Schema.Literals(["waiting", "running", "paused", "stopped"]),
        reason: Schema.optionalKey(Schema.String),
        rate: Schema.Finite,
        definition: ProcessorDefinition
      })
    )
  })
)
const decodeReport = Schema.decodeUnknownOption(WorkerReport)

/** Undefined if no program runs processors; it removes its report when it ends. */
const reportIn = (path: string) => {
  try {
    return Option.getOrUndefined(decodeReport(readFileSync(path, "utf8")))
  } catch {
    return undefined
  }
}

export interface ProcessorReport {
  readonly definition: ProcessorDefinition
  readonly state: "waiting" | "running" | "paused" | "stopped" | "not running"
  /** Why it waits or is stopped. */
  readonly reason: string | null
  /** Offsets of the next event of its input and after the last one, and how many events are left to process; summed over its partitions. */
  readonly next: number
  readonly end: number
  readonly lag: number
  /** Milliseconds since 1970, of several partitions the earliest; null before the first event, and without windows. */
  readonly watermark: number | null
  /** Open windows, or keys of a fold; null if they were not counted. */
  readonly open: number | null
  readonly rows: number
  readonly late: number
  readonly deadLetters: number
  /** Whether rows, late events and dead letters are upper bounds: counts of offsets, and transactions take offsets too. */
  readonly isAtMost?: boolean
  /** Events per second, in the last second that was reported; null if it is not known. */
  readonly rate: number | null
}

export class NoSuchProcessor extends Schema.TaggedError<NoSuchProcessor>()("NoSuchProcessor", {
  name: Schema.String,
  nearest: Schema.NullOr(Schema.String)
}) {
  override get message() {
    const hint = this.nearest === null ? "floe processor list names them all." : `did you mean ${this.nearest}?`
    return `There is no processor ${this.name}; ${hint}`
  }
}

export class StateUnreadable extends Schema.TaggedError<StateUnreadable>()("StateUnreadable", {
  processor: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    const reason = this.cause instanceof Error ? this.cause.message.replace(/\.$/, "") : String(this.cause)
    return `The state of the processor ${this.processor} cannot be read: ${reason}.`
  }
}

/** That there is no processor of this name among these. */
export const noSuch = (name: string, names: Iterable<string>) =>
  new NoSuchProcessor({ name, nearest: nearest(name, [...names]) ?? null })

export class ProcessorReports extends Context.Service<
  ProcessorReports,
  {
    /** By name. Processors whose program has never run are absent. */
    readonly all: Effect.Effect<ReadonlyArray<ProcessorReport>, LogUnavailable | LogCorrupt | StateUnreadable>
    readonly find: (
      name: string
    ) => Effect.Effect<ProcessorReport, NoSuchProcessor | LogUnavailable | LogCorrupt | StateUnreadable>
  }
>()("floe/layers/process/ProcessorReports") {
  /** Where nothing runs processors. */
  static readonly none = Layer.succeed(
    ProcessorReports,
    ProcessorReports.of({
      all: Effect.succeed([]),
      find: (name) => Effect.fail(new NoSuchProcessor({ name, nearest: null }))
    })
  )

  static readonly layer = Layer.effect(
    ProcessorReports,
    Effect.gen(function* () {
      const folder = yield* DataFolder
      const logs = yield* EventLogReader
      const streams = yield* Streams

      const endOf = Effect.fnUntraced(function* (stream: string) {
        const { partitions } = yield* logs.of(stream).bounds
        return partitions[0]?.end ?? 0
      })

      const worker = Effect.map(Clock.currentTimeMillis, (now) => {
        const path = join(folder.processors, "status.json")
        const report = reportIn(path)
        return {
          processors: report?.processors ?? {},
          isAlive: report !== undefined && now - report.at <= silenceMillis
        }
      })

      const stillState = (name: string) => (existsSync(pauseFile(folder, name)) ? "paused" : "not running")

      const names = Effect.map(
        streams.all,
        (applied) => new Set(applied.flatMap(({ definition }) => definition.writer ?? []).sort())
      )

      /** Undefined if its program has never run. */
      const reportOf = Effect.fnUntraced(function* (
        name: string,
        { isAlive, processors }: Effect.Success<typeof worker>
      ) {
        const running = processors[name]
        const kept = yield* Effect.try({
          try: () => processorState(folder, name),
          catch: (cause) => new StateUnreadable({ processor: name, cause })
        })
        const definition = (isAlive ? running?.definition : kept?.definition) ?? kept?.definition ?? running?.definition
        if (definition === undefined) return undefined
        const next = kept?.next ?? 0
        const end = yield* endOf(definition.from)
        return {
          definition,
          state: isAlive && running !== undefined ? running.state : stillState(name),
          reason: (isAlive ? running?.reason : undefined) ?? null,
          next,
          end,
          lag: Math.max(0, end - next),
          watermark: kept?.watermark ?? null,
          open: kept?.windows ?? 0,
          rows: yield* endOf(definition.to),
          late: definition.late === null ? 0 : yield* endOf(definition.late),
          deadLetters: kept?.deadLetters ?? 0,
          rate: isAlive ? (running?.rate ?? 0) : 0
        } satisfies ProcessorReport
      })

      return ProcessorReports.of({
        all: Effect.gen(function* () {
          const running = yield* worker
          const reports = yield* Effect.forEach(yield* names, (name) => reportOf(name, running))
          return reports.filter((report) => report !== undefined)
        }),
        find: Effect.fn("ProcessorReports.find")(function* (name) {
          const known = yield* names
          const report = known.has(name) ? yield* reportOf(name, yield* worker) : undefined
          return report ?? (yield* noSuch(name, known))
        })
      })
    })
  )
}
