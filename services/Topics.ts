/**
 * The topics of the distributed profile.
 * Owns: listing, creating, describing and deleting them. Does not own: their content (EventLog, the sink).
 */
import { Context, type Effect, type Option, Schema } from "effect"
import { connectorOf } from "./Connector.ts"

/** The dead-letter topic of a topic: rejected messages, with the reason in their headers. */
export const deadLettersOf = (topic: string) => `${topic}-dlq`
/** The compacted topic with the definitions of all streams. */
export const streamsTopic = "floe-streams"
/** The control topic, through which the connector's tasks coordinate commits. */
export const controlTopic = "control-iceberg"
/** The consumer group of the coordinator on the control topic. */
export const coordinator = "connect-iceberg-sink-coord"

/** The control topic of a stream's connector. */
export const controlTopicOf = (stream: string) => (stream === "weather" ? controlTopic : `${controlTopic}-${stream}`)
/**
 * The compacted topic of a processor's state and progress, with as many partitions as its input's topic: each partition belongs to the
 * input's partition of that number. Its dead letters are in those of its output.
 */
export const stateTopicOf = (processor: string) => `${processor}-state`
/**
 * The topic with the input of a processor by the processor's own key, and as many partitions. It is the log that the rows are a
 * function of. How far it is written is in the one partition of `stateTopicOf(byKeyTopicOf(processor))`.
 */
export const byKeyTopicOf = (processor: string) => `${processor}_by_key`
/** The consumer group of a stream's connector, and that of its coordinator. */
export const sinkGroupOf = (stream: string) => `connect-${connectorOf(stream)}`
export const coordinatorOf = (stream: string) => `${sinkGroupOf(stream)}-coord`

/** Bytes of the largest record of a stream or a processor: an event, a row or a state of 1 MiB, with a key as long and headers. */
export const largestRecord = 3 * 1024 * 1024

export interface WantedTopic {
  readonly name: string
  readonly partitions: number
  readonly replication: number
  /** Only the newest record of each key is kept; otherwise every record is. */
  readonly isCompacted?: boolean
  /** The largest record that the topic takes, in bytes; the broker's default without it. */
  readonly maxRecord?: number
}

export interface TopicDescription {
  readonly name: string
  readonly id: string
  readonly partitions: ReadonlyArray<{
    readonly partition: number
    readonly replicas: number
    /** The first readable offset, and the offset of the next record. */
    readonly start: number
    readonly end: number
  }>
}

/** The retention settings of a topic. */
export interface TopicRetention {
  /** Null is unlimited. */
  readonly millis: number | null
  /** Per partition; null is unlimited. */
  readonly bytes: number | null
  /** `delete`, `compact` or both. */
  readonly cleanup: string
}

/** A log folder of a broker. */
export interface BrokerDisk {
  readonly broker: number
  readonly folder: string
  /** Null if the broker does not report it. */
  readonly totalBytes: number | null
  readonly freeBytes: number | null
}

export interface TopicOutcome {
  readonly name: string
  readonly made: boolean
  /** One sentence per difference of an existing topic from the wanted one, with the fix. */
  readonly differences: ReadonlyArray<string>
}

/** No broker answers, or the request failed. A retry can help. */
export class TopicsUnavailable extends Schema.TaggedError<TopicsUnavailable>()("TopicsUnavailable", {
  operation: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The topics cannot be reached (${this.operation}): ${this.reason}.`
  }
}

/** The broker rejects the topic. A retry does not help. */
export class TopicRejected extends Schema.TaggedError<TopicRejected>()("TopicRejected", {
  name: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The topic ${this.name} cannot be created: ${this.reason}.`
  }
}

export class Topics extends Context.Service<
  Topics,
  {
    /** Creates a topic with unlimited retention. An existing topic is compared, never changed. */
    readonly create: (topic: WantedTopic) => Effect.Effect<TopicOutcome, TopicsUnavailable | TopicRejected>
    /** Sets the offsets of a consumer group without offsets in a topic to its start; true if it had none. */
    readonly begin: (group: string, topic: string) => Effect.Effect<boolean, TopicsUnavailable>
    /** None if the topic does not exist. */
    readonly describe: (name: string) => Effect.Effect<Option.Option<TopicDescription>, TopicsUnavailable>
    /** None if the topic does not exist. */
    readonly retention: (name: string) => Effect.Effect<Option.Option<TopicRetention>, TopicsUnavailable>
    /** Deletes a topic with its records, if it exists. */
    readonly remove: (name: string) => Effect.Effect<void, TopicsUnavailable>
    readonly disks: Effect.Effect<ReadonlyArray<BrokerDisk>, TopicsUnavailable>
    /** The names of all topics except Kafka's internal ones. */
    readonly list: Effect.Effect<ReadonlyArray<string>, TopicsUnavailable>
  }
>()("floe/services/Topics") {}
