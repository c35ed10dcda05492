/** What the process that runs processors is given, and what it tells its parent. */
import { Schema } from "effect"

/** Megabytes of its heap. */
export const heapMegabytes = 512
/** Bytes of all its memory: the heap, and buffers of the functions, of SQLite and of Kafka's client beside it. */
export const mostMemory = 800 * 1024 * 1024
/** Its exit code if its module declares no processor. */
export const nothingToRun = 78
/** Its exit code if it has put rebuilt files in place, and must load the module again. */
export const startAgain = 79

/** Processors that run again from the start of their input, into files of their own. */
export const ReplayRequest = Schema.Struct({
  /** Each after those that it reads from. */
  names: Schema.Array(Schema.String),
  /** The folder of their new files. */
  into: Schema.String,
  /** The offset of their input before which they end; null for its end. */
  until: Schema.NullOr(Schema.Int),
  /** How many of the moments at which windows were closed by the clock count; all that are there without it. */
  ticks: Schema.optionalKey(Schema.Int),
  /** On Kafka, in place of `until` and `ticks`: the partitions of the one processor's input. */
  partitions: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        partition: Schema.Int,
        /** Offset at which the processor has begun. */
        first: Schema.Int,
        /** Rows of each are told apart. */
        stages: Schema.Array(Schema.Struct({ until: Schema.Int, ticks: Schema.Int }))
      })
    )
  ),
  /** Windows that were closed by the clock then or later stay open; on Kafka, it also ends before the first event that was accepted then. Milliseconds since 1970. */
  before: Schema.optionalKey(Schema.Int)
})
export type ReplayRequest = typeof ReplayRequest.Type

export const WorkerOptions = Schema.fromJsonString(
  Schema.Struct({
    /** Over Kafka's log; without it, over that of the data folder. */
    onKafka: Schema.optionalKey(Schema.Boolean),
    /** The data folder; on Kafka any folder, for the report of a function that does not return. */
    root: Schema.String,
    withBuiltIn: Schema.Boolean,
    /** The module; empty without one. */
    file: Schema.String,
    /** The processors that do not run, and why: sentences. */
    stopped: Schema.Record(Schema.String, Schema.String),
    /** In place of running them. */
    replay: Schema.optionalKey(ReplayRequest)
  })
)
export type WorkerOptions = (typeof WorkerOptions)["Type"]

/** Messages of a replay. */
export const ReplayMessage = Schema.Union([
  Schema.TaggedStruct("Progress", { processor: Schema.String, events: Schema.Int }),
  Schema.TaggedStruct("Failed", { message: Schema.String })
])
export type ReplayMessage = typeof ReplayMessage.Type

/** What a processor did when a function of it did not return: the thread beside it leaves this before it ends the process. */
export const HungReport = Schema.fromJsonString(Schema.Struct({ processor: Schema.String, at: Schema.String }))
export const hungFile = "hung.json"

/** The processor that works, or that used more memory than there is: read by the parent when the process has ended. */
export const WorkingReport = Schema.fromJsonString(
  Schema.Struct({
    processor: Schema.String,
    /** The position of the event, or of the first one of its batch. */
    at: Schema.String,
    /** Bytes of memory that the process had, if that was too much. */
    memory: Schema.optionalKey(Schema.Int)
  })
)
export const workingFile = "working.json"
export const memoryFile = "memory.json"
