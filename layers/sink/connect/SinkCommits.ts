import type { Message } from "@confluentinc/kafka-javascript"
import { Effect, Layer, Option, Scope } from "effect"
import type { Position } from "../../../services/EventLog.ts"
import { type SinkCommit, SinkCommits, SinkCommitsUnavailable } from "../../../services/SinkCommits.ts"
import { Streams } from "../../../services/Streams.ts"
import { weather } from "../../../services/TableReader.ts"
import { Cluster } from "../../log/kafka/Cluster.ts"
import * as Consumer from "../../log/kafka/Consumer.ts"
import { because, KafkaFailure } from "../../log/kafka/failures.ts"
import { topicNames } from "../../log/kafka/topicNames.ts"
import { eventOf } from "./controlEvents.ts"
import * as SinkPositions from "./sinkPositions.ts"

/**
 * How many offsets before the oldest requested commit to start reading; a commit takes about 9. If a partition had nothing
 * new in that range, the next larger one is read.
 */
const lookBack = [400, 6_000, 100_000]
/** Reading 100,000 offsets takes about 3 s. */
const readTimeout = "30 seconds"
const maxCached = 10_000

type PositionsById = ReadonlyMap<string, ReadonlyArray<Position>>

export const layer = Layer.effect(
  SinkCommits,
  Effect.gen(function* () {
    const cluster = yield* Cluster
    const streams = yield* Streams
    const scope = yield* Effect.scope
    const consumers = new Map<string, Consumer.Consumers>()
    const cached = new Map<string, ReadonlyArray<Position> | undefined>()

    const consumersOf = Effect.fnUntraced(function* (controlTopic: string) {
      const made = consumers.get(controlTopic)
      if (made !== undefined) return made
      // Reads as the coordinator does, without aborted transactions.
      const fresh = yield* Consumer.make(controlTopic, "read_committed").pipe(
        Effect.provideService(Cluster, cluster),
        Scope.provide(scope)
      )
      consumers.set(controlTopic, fresh)
      return fresh
    })

    const read = Effect.fnUntraced(function* (
      controlTopic: string,
      from: number,
      until: number,
      each: (message: Message) => void
    ) {
      const cursor = yield* (yield* consumersOf(controlTopic)).open([{ partition: 0, offset: from }])
      let next = from
      while (next < until) {
        const messages = yield* cursor.next
        for (const message of messages) if (message.offset < until) each(message)
        next = Consumer.nextOffset(cursor, 0, next, messages)
      }
    }, Effect.scoped)

    const lookUp = Effect.fnUntraced(function* (
      log: string,
      controlTopic: string,
      from: number,
      commits: ReadonlyArray<SinkCommit>,
      partitions: number
    ) {
      const results = new Map<SinkCommit, SinkPositions.Lookup>()
      const sinks = SinkPositions.make(log, partitions, from === 0)
      let due = 0
      const upTo = (offset: number) => {
        for (let commit = commits[due]; commit !== undefined && commit.end <= offset; commit = commits[++due]) {
          results.set(commit, sinks.positions(commit.id))
        }
      }
      yield* read(controlTopic, from, commits.at(-1)?.end ?? 0, ({ offset, key, value }) => {
        upTo(offset)
        const event = value === null ? Option.none() : eventOf(value)
        if (Option.isSome(event)) sinks.add(key?.toString() ?? "", event.value)
      })
      upTo(Number.POSITIVE_INFINITY)
      return results
    })

    const ofControl = Effect.fnUntraced(function* (
      log: string,
      controlTopic: string,
      asked: ReadonlyArray<SinkCommit>
    ) {
      const [topicOfLog, topicOfSink] = yield* Effect.all([cluster.find(log), cluster.find(controlTopic)])
      if (topicOfLog === undefined || topicOfSink === undefined) return new Map()
      const partitions = topicOfLog.partitions.length
      const keyOf = ({ id, end }: SinkCommit) => `${controlTopic} ${log} ${id} ${end} ${partitions}`
      if (cached.size > maxCached) cached.clear()
      const positions = new Map(asked.map((commit) => [commit, cached.get(keyOf(commit))] as const))
      let open = asked.filter((commit) => !cached.has(keyOf(commit))).sort((a, b) => a.end - b.end)
      if (open.length > 0) {
        const [start = 0] = yield* cluster.offsets(controlTopic, 1, "start")
        const [end = 0] = yield* cluster.offsets(controlTopic, 1, "end")
        // A commit that ended later belongs to an earlier topic of the same name.
        open = open.filter((commit) => commit.end > start && commit.end <= end)
        for (const [i, back] of lookBack.entries()) {
          const from = Math.max(start, (open[0]?.end ?? 0) - back)
          const isLast = from === start || i === lookBack.length - 1
          const results = yield* lookUp(log, controlTopic, from, open, partitions)
          for (const [commit, result] of results) {
            if (result === "unknown" && !isLast) continue
            const value = typeof result === "string" ? undefined : result
            cached.set(keyOf(commit), value)
            positions.set(commit, value)
          }
          open = open.filter((commit) => results.get(commit) === "unknown")
          if (isLast || open.length === 0) break
        }
      }
      return new Map(
        positions.entries().flatMap(([{ id }, value]) => (value === undefined ? [] : [[id, value] as const]))
      )
    })

    const positions = Effect.fn("SinkCommits.positions")(
      function* (commits: ReadonlyArray<SinkCommit>, stream = weather) {
        const all = new Map<string, ReadonlyArray<Position>>()
        const log = (yield* Effect.provideService(topicNames, Streams, streams)).ofStream(stream)
        for (const [controlTopic, asked] of Map.groupBy(commits, ({ controlTopic }) => controlTopic)) {
          const byId: PositionsById = yield* ofControl(log, controlTopic, asked)
          for (const [id, positions] of byId) all.set(id, positions)
        }
        return all
      },
      Effect.timeoutOrElse({
        duration: readTimeout,
        orElse: () =>
          Effect.fail(
            new KafkaFailure({
              reason: because(`it could not be read within ${readTimeout}; check the broker`),
              cause: "time-out"
            })
          )
      }),
      Effect.mapError((cause) => {
        const reason = cause._tag === "LogCorrupt" ? cause.reason : cause.reason.message
        return new SinkCommitsUnavailable({ reason, cause })
      })
    )

    return SinkCommits.of({ positions })
  })
).pipe(Layer.provide(Cluster.layer))
