/**
 * Consumer groups of Kafka.
 * Owns: members, committed offsets, changing offsets. Does not own: what the consumers do.
 */
import { Context, type Effect, type Option, Schema, type Scope } from "effect"

export interface GroupMember {
  readonly id: string
  readonly clientId: string
  /** Its address, as the broker reports it. */
  readonly host: string
  /** Assigned partitions, by topic. */
  readonly partitions: ReadonlyMap<string, ReadonlyArray<number>>
}

export interface GroupOffset {
  readonly topic: string
  readonly partition: number
  /** The next offset to read. */
  readonly offset: number
}

export interface ConsumerGroup {
  readonly id: string
  /** Kafka's state: Stable, Empty, PreparingRebalance, … */
  readonly state: string
  readonly members: ReadonlyArray<GroupMember>
  readonly offsets: ReadonlyArray<GroupOffset>
}

/** No broker answers, or the request failed. A retry can help. */
export class GroupsUnavailable extends Schema.TaggedError<GroupsUnavailable>()("GroupsUnavailable", {
  operation: Schema.String,
  /** The cause and the fix, as the end of a sentence. */
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The consumer groups cannot be reached (${this.operation}): ${this.reason}.`
  }
}

export class ConsumerGroups extends Context.Service<
  ConsumerGroups,
  {
    /** None if the group does not exist. */
    readonly find: (id: string) => Effect.Effect<Option.Option<ConsumerGroup>, GroupsUnavailable>
    /** The groups that have offsets in a topic or read it now. */
    readonly of: (topic: string) => Effect.Effect<ReadonlyArray<ConsumerGroup>, GroupsUnavailable>
    /** Sets offsets of a group without members; the group is created if it does not exist. */
    readonly move: (id: string, offsets: ReadonlyArray<GroupOffset>) => Effect.Effect<void, GroupsUnavailable>
    /** Deletes a group without members, if it exists. */
    readonly remove: (id: string) => Effect.Effect<void, GroupsUnavailable>
    /** Joins the group as its only member until the scope closes; waits a while for another member, then returns false. */
    readonly lock: (id: string) => Effect.Effect<boolean, GroupsUnavailable, Scope.Scope>
  }
>()("floe/services/ConsumerGroups") {}
