/**
 * The topics of the distributed profile.
 * Owns: which there are, making and looking at them. Does not own: what is in them (EventLog, the sink).
 */
import { Context, type Effect, type Option, Schema } from "effect"

/** Messages of a topic that the sink cannot take, with the reason in their headers. */
export const deadLettersOf = (topic: string) => `${topic}-dlq`
/** The sink's tasks agree over it on what is committed. */
export const control = "control-iceberg"
/** The sink's reader of that topic. */
export const coordinator = "connect-iceberg-sink-coord"

export interface WantedTopic {
  readonly name: string
  readonly partitions: number
  readonly replication: number
}

export interface TopicDescription {
  readonly name: string
  readonly id: string
  readonly partitions: ReadonlyArray<{
    readonly partition: number
    readonly replicas: number
    /** The first offset that can be read, and the one that the next record gets. */
    readonly start: number
    readonly end: number
  }>
}

/** What of a topic's records is kept. */
export interface TopicRetention {
  /** Null is for ever. */
  readonly millis: number | null
  /** Of each partition; null is without a limit. */
  readonly bytes: number | null
  /** `delete`, `compact` or both. */
  readonly cleanup: string
}

/** A folder in which a broker keeps its records. */
export interface BrokerDisk {
  readonly broker: number
  readonly folder: string
  /** Null where the broker does not tell. */
  readonly totalBytes: number | null
  readonly freeBytes: number | null
}

export interface TopicOutcome {
  readonly name: string
  readonly made: boolean
  /** Sentences: in what a topic that was there differs from what is wanted, and what to do. */
  readonly differences: ReadonlyArray<string>
}

/** No broker answers, or not well; it may be tried again. */
export class TopicsUnavailable extends Schema.TaggedError<TopicsUnavailable>()("TopicsUnavailable", {
  operation: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The topics cannot be reached (${this.operation}): ${this.reason}.`
  }
}

/** The broker will not make such a topic; trying again does not help. */
export class TopicRejected extends Schema.TaggedError<TopicRejected>()("TopicRejected", {
  name: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The topic ${this.name} cannot be made: ${this.reason}.`
  }
}

export class Topics extends Context.Service<
  Topics,
  {
    /** Makes a topic in which nothing ever expires. One that is there is compared and never changed. */
    readonly create: (topic: WantedTopic) => Effect.Effect<TopicOutcome, TopicsUnavailable | TopicRejected>
    /** Gives a group of readers that has no offset in a topic the offset of its start; true if it had none. */
    readonly begin: (group: string, topic: string) => Effect.Effect<boolean, TopicsUnavailable>
    /** None if there is no such topic. */
    readonly describe: (name: string) => Effect.Effect<Option.Option<TopicDescription>, TopicsUnavailable>
    /** None if there is no such topic. */
    readonly retention: (name: string) => Effect.Effect<Option.Option<TopicRetention>, TopicsUnavailable>
    /** Deletes a topic and all that is in it; nothing if there is none. */
    readonly remove: (name: string) => Effect.Effect<void, TopicsUnavailable>
    readonly disks: Effect.Effect<ReadonlyArray<BrokerDisk>, TopicsUnavailable>
    /** The names of all topics but Kafka's own. */
    readonly list: Effect.Effect<ReadonlyArray<string>, TopicsUnavailable>
  }
>()("floe/services/Topics") {}
