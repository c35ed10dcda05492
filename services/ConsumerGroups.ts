/**
 * Groups of readers of Kafka's topics: who is in them, how far they are.
 * Owns: members, committed offsets, setting these. Does not own: what a group's readers do.
 */
import { Context, type Effect, type Option, Schema, type Scope } from "effect"

export interface GroupMember {
  readonly id: string
  readonly clientId: string
  /** Its address, as the broker sees it. */
  readonly host: string
  /** Partitions that it reads, by topic. */
  readonly partitions: ReadonlyMap<string, ReadonlyArray<number>>
}

export interface GroupOffset {
  readonly topic: string
  readonly partition: number
  /** The next one to read. */
  readonly offset: number
}

export interface ConsumerGroup {
  readonly id: string
  /** Kafka's own word: Stable, Empty, PreparingRebalance, … */
  readonly state: string
  readonly members: ReadonlyArray<GroupMember>
  readonly offsets: ReadonlyArray<GroupOffset>
}

/** No broker answers, or not well; it may be tried again. */
export class GroupsUnavailable extends Schema.TaggedError<GroupsUnavailable>()("GroupsUnavailable", {
  operation: Schema.String,
  /** What is wrong, and what to do, as the end of a sentence. */
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
    /** None if there is no such group. */
    readonly find: (id: string) => Effect.Effect<Option.Option<ConsumerGroup>, GroupsUnavailable>
    /** Those that have offsets in a topic or read it now. */
    readonly of: (topic: string) => Effect.Effect<ReadonlyArray<ConsumerGroup>, GroupsUnavailable>
    /** Sets offsets of a group that has no members at the moment; it is made if it is not there. */
    readonly move: (id: string, offsets: ReadonlyArray<GroupOffset>) => Effect.Effect<void, GroupsUnavailable>
    /** Forgets a group without members; nothing if there is none. */
    readonly remove: (id: string) => Effect.Effect<void, GroupsUnavailable>
    /** Is the group's only member until the scope closes; false if there is another, which is waited for a while. */
    readonly alone: (id: string) => Effect.Effect<boolean, GroupsUnavailable, Scope.Scope>
  }
>()("floe/services/ConsumerGroups") {}
