/** The checks of the distributed profile: first the components, then what they hold and do. */
import { type Duration, Effect, Layer, Option } from "effect"
import { Checks } from "../../../services/Checks.ts"
import { Components } from "../../../services/Components.ts"
import type { Connector } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import type { Query } from "../../../services/Query.ts"
import * as Settings from "../../../services/Settings.ts"
import { Storage } from "../../../services/Storage.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { weather } from "../../../services/TableReader.ts"
import { addressOf } from "../../ingest/health.ts"
import { topicNames, unchangedNames } from "../../log/kafka/topicNames.ts"
import { applyLock } from "../../sink/connect/applyLock.ts"
import * as IcebergSink from "../../sink/connect/icebergSink.ts"
import { answersAt, okOf } from "../probes/server.ts"
import { clock } from "./clock.ts"
import { commits, commitsOf } from "./distributed/commits.ts"
import * as ComponentChecks from "./distributed/components.ts"
import { connector, connectorOfStream } from "./distributed/connector.ts"
import { coordinators } from "./distributed/coordinators.ts"
import { disk } from "./distributed/disk.ts"
import { locks } from "./distributed/locks.ts"
import { offsets } from "./distributed/offsets.ts"
import { origin } from "./distributed/origin.ts"
import { processorsRun, processorTopics, rebuilds } from "./distributed/processors.ts"
import { rebuildAdvice } from "./distributed/rebuildAdvice.ts"
import { tableOf } from "./distributed/streamTable.ts"
import { topicsOf } from "./distributed/streamTopics.ts"
import * as TableChecks from "./distributed/table.ts"
import * as TopicChecks from "./distributed/topics.ts"
import { writers } from "./distributed/writers.ts"
import { files } from "./files.ts"
import { halfDone } from "./halfDone.ts"
import { provideChecks } from "./runChecks.ts"

/** Thresholds beyond which a check reports a finding. */
export interface Limits {
  readonly roomBytes?: number
  readonly commitLagLimit?: Duration.Duration
  /** Of a partition that has ended. */
  readonly smallFilesEnded?: number
  /** Of the whole table, those above one for each partition. */
  readonly smallFiles?: number
  readonly snapshots?: number
}

const absent = (finding: string) =>
  Effect.succeed({ finding, consequence: "No event can be logged.", fix: ComponentChecks.startOf("logging-server") })

/** For each stream beside weather, with the versions that an apply has begun. */
const ofStreams = Effect.fnUntraced(function* ({ commitLagLimit }: Limits) {
  const streams = yield* Streams
  const groups = yield* ConsumerGroups
  const sink = yield* IcebergSink.settings
  const partitions = yield* Settings.partitions
  const { bucket } = yield* Settings.s3
  // What Kafka does not answer, its own checks report.
  const pending = yield* Effect.orElseSucceed(streams.pending, () => [])
  const applied = yield* Effect.orElseSucceed(streams.all, () => [])
  const changing = pending.map(({ definition }) => definition.name)
  const isRunning = groups.find(applyLock).pipe(
    Effect.map(Option.exists(({ members }) => members.length > 0)),
    Effect.orElseSucceed(() => false)
  )
  const others = applied.filter(({ definition }) => definition.name !== weather)
  if (others.length === 0 && changing.length === 0) return []
  const rebuild = yield* Effect.orElseSucceed(streams.rebuild, () => undefined)
  const isMoving = ({ definition: { writer = "" } }: AppliedStream) =>
    rebuild?.phase === "switching" && rebuild.definitions.some(({ name }) => name === writer)
  const names = yield* Effect.orElseSucceed(topicNames, () => unchangedNames)
  const checks = yield* Effect.forEach(
    others,
    Effect.fnUntraced(function* (stream) {
      const { name } = stream.definition
      const history = yield* Effect.orElseSucceed(streams.history(name), () => [stream])
      return yield* provideChecks([
        topicsOf(stream, names.ofStream(name), partitions),
        tableOf(stream, bucket, changing.includes(name)),
        connectorOfStream(name, sink, names, history, {
          change: pending.find(({ definition }) => definition.name === name),
          rebuilt: isMoving(stream) ? rebuild?.definitions[0].name : undefined
        }),
        commitsOf(stream.definition, commitLagLimit)
      ])
    })
  )
  const changes = yield* provideChecks([
    halfDone({ names: changing, isRunning, needs: ["kafka", "trino", "metastore"] })
  ])
  const processors = yield* Effect.orElseSucceed(streams.processors, () => [])
  const ofProcessors = yield* provideChecks(
    processors.length === 0
      ? []
      : [...processors.map((processor) => processorTopics(processor, names)), processorsRun, rebuilds]
  )
  return [...changes, ...checks.flat(), ...ofProcessors]
})

const make = Effect.fnUntraced(function* (limits: Limits) {
  const probe = yield* Effect.cached((yield* Components).probe)
  const zookeepers = (yield* Settings.zookeeper).toLowerCase()
  const databases = (yield* Settings.postgres).toLowerCase()
  const topic = yield* Settings.topic
  const base = yield* Settings.targetOrDefault
  const { bucket } = yield* Settings.s3
  // A commit every 10 seconds makes 360 small files in an hour and 8,640 snapshots in a day.
  const { roomBytes = 2 ** 30, smallFilesEnded = 500, smallFiles = 2_000, snapshots = 5_000 } = limits
  const advice = yield* Effect.cached(Effect.provide(rebuildAdvice, yield* Effect.context<Connector | Query>()))
  const server = answersAt({ url: base, label: addressOf(base) }, absent)
  return Checks.of({
    all: [
      ...(yield* provideChecks([
        ...(zookeepers === "none" ? [] : [ComponentChecks.zookeeper(probe)]),
        ComponentChecks.kafka(probe),
        ComponentChecks.connect(probe),
        ComponentChecks.storage((yield* Storage).warehouse),
        ...(databases === "none" ? [] : [ComponentChecks.postgres(probe)]),
        ComponentChecks.metastore(probe),
        ComponentChecks.trino(probe),
        disk(roomBytes),
        TopicChecks.topics(topic, yield* Settings.partitions, advice),
        {
          name: "server",
          ok: okOf(addressOf(base)),
          // Without Kafka or its topic it accepts no events, which their checks report better.
          needs: ["kafka", "topics"],
          run: server
        },
        TopicChecks.retention(topic, advice),
        TableChecks.location(bucket),
        TableChecks.table({ topic, bucket, advice }),
        origin(topic, advice),
        writers(advice),
        { ...clock(base), needs: ["topics", "table"] },
        connector(yield* IcebergSink.settings),
        coordinators,
        locks,
        offsets(topic, advice),
        commits(limits.commitLagLimit),
        files({
          ended: smallFilesEnded,
          growing: smallFiles,
          total: smallFiles,
          snapshots,
          kept: TableChecks.snapshots,
          fewer: "floe maintain"
        })
      ])),
      ...(yield* ofStreams(limits))
    ]
  })
})

export const within = (limits: Limits) => Layer.effect(Checks, make(limits))
