import type { Group, ListConsumerGroupOffsetsGroup, GroupMember as MemberDescription } from "@platformatic/kafka"
import { Effect, Layer, Option } from "effect"
import {
  type ConsumerGroup,
  ConsumerGroups,
  type GroupMember,
  type GroupOffset,
  GroupsUnavailable
} from "../../../services/ConsumerGroups.ts"
import { Admin } from "./Admin.ts"
import { codes, type KafkaFailure } from "./failures.ts"
import * as GroupLock from "./GroupLock.ts"

const unavailable = (operation: string) => (failure: KafkaFailure) =>
  new GroupsUnavailable({ operation, reason: failure.reason.message, cause: failure })

/** Groups of other protocols (Kafka Connect's workers, for example) have members that the client cannot decode. */
const areReaders = (protocol: string) => protocol === "consumer" || protocol === ""

const memberOf = ({ id, clientId, clientHost, assignments }: MemberDescription): GroupMember => ({
  id,
  clientId,
  host: clientHost.replace(/^\//, ""),
  partitions: new Map([...(assignments ?? [])].map(([topic, { partitions }]) => [topic, partitions]))
})

const groupOf = (group: Group, committed: ListConsumerGroupOffsetsGroup | undefined): ConsumerGroup => ({
  id: group.id,
  state: group.state,
  members: [...group.members.values()].map(memberOf),
  offsets: (committed?.topics ?? [])
    .flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, committedOffset }) => ({
        topic: name,
        partition: partitionIndex,
        offset: Number(committedOffset)
      }))
    )
    .filter(({ offset }) => offset >= 0)
    .sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
})

const isOf = ({ members, offsets }: ConsumerGroup, wanted: string) =>
  offsets.some(({ topic }) => topic === wanted) || members.some(({ partitions }) => partitions.has(wanted))

const byTopic = (offsets: ReadonlyArray<GroupOffset>) =>
  [...Map.groupBy(offsets, ({ topic }) => topic)].map(([name, offsets]) => ({
    name,
    partitionOffsets: offsets.map(({ partition, offset }) => ({ partition, offset: BigInt(offset) }))
  }))

const make = Effect.gen(function* () {
  const { ask } = yield* Admin
  const groupLock = yield* GroupLock.make

  const describe = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
    if (ids.length === 0) return []
    const groups = [...ids]
    const described = yield* ask("", (admin) => admin.describeGroups({ groups }))
    const committed = yield* ask("", (admin) => admin.listConsumerGroupOffsets({ groups }))
    return [...described.values()]
      .filter(({ state }) => state !== "Dead")
      .map((group) =>
        groupOf(
          group,
          committed.find(({ groupId }) => groupId === group.id)
        )
      )
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  })

  const all = ask("", (admin) => admin.listGroups())

  const find = Effect.fn("ConsumerGroups.find")(
    function* (id: string) {
      const group = (yield* all).get(id)
      if (group === undefined) return Option.none()
      if (areReaders(group.protocolType)) return Option.fromUndefinedOr((yield* describe([id]))[0])
      return Option.some<ConsumerGroup>({ id, state: group.state, members: [], offsets: [] })
    },
    Effect.mapError(unavailable("find"))
  )

  const of = Effect.fn("ConsumerGroups.of")(
    function* (topic: string) {
      const readers = [...(yield* all).values()].filter(({ protocolType }) => areReaders(protocolType))
      return (yield* describe(readers.map(({ id }) => id))).filter((group) => isOf(group, topic))
    },
    Effect.mapError(unavailable("of"))
  )

  const changing = (operation: string, id: string) => (failure: KafkaFailure) =>
    failure.code === codes.unknownMember || failure.code === codes.groupInUse
      ? new GroupsUnavailable({
          operation,
          reason: `the group ${id} is active; stop its consumers first`,
          cause: failure
        })
      : unavailable(operation)(failure)

  const move = Effect.fn("ConsumerGroups.move")(function* (id: string, offsets: ReadonlyArray<GroupOffset>) {
    if (offsets.length === 0) return
    yield* ask(offsets[0]?.topic ?? "", (admin) =>
      admin.alterConsumerGroupOffsets({ groupId: id, topics: byTopic(offsets) })
    ).pipe(Effect.mapError(changing("move", id)))
  })

  const remove = Effect.fn("ConsumerGroups.remove")(function* (id: string) {
    yield* ask("", (admin) => admin.deleteGroups({ groups: [id] })).pipe(
      Effect.catchIf(
        ({ code }) => code === codes.groupMissing,
        () => Effect.void
      ),
      Effect.mapError(changing("remove", id))
    )
  })

  const lock = Effect.fn("ConsumerGroups.lock")(groupLock, Effect.mapError(unavailable("lock")))

  return ConsumerGroups.of({ find, of, move, remove, lock })
})

export const layer = Layer.effect(ConsumerGroups, make).pipe(Layer.provide(Admin.layer))
