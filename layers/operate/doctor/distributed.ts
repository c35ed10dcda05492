/** The checks of the distributed profile: first the components, then what they hold and do. */
import { type Duration, Effect, Layer } from "effect"
import { Checks } from "../../../services/Checks.ts"
import { Components } from "../../../services/Components.ts"
import { Connector } from "../../../services/Connector.ts"
import { ConsumerGroups } from "../../../services/ConsumerGroups.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import { Metastore } from "../../../services/Metastore.ts"
import { Query } from "../../../services/Query.ts"
import * as Settings from "../../../services/Settings.ts"
import type { SinkCommits } from "../../../services/SinkCommits.ts"
import { Storage } from "../../../services/Storage.ts"
import { TableReader } from "../../../services/TableReader.ts"
import { Topics } from "../../../services/Topics.ts"
import { addressOf } from "../../ingest/health.ts"
import * as IcebergSink from "../../sink/connect/icebergSink.ts"
import { answersAt, wellOf } from "../probes/server.ts"
import * as DiskUsage from "../storage/diskUsage.ts"
import { clock } from "./clock.ts"
import { commits } from "./distributed/commits.ts"
import * as ComponentChecks from "./distributed/components.ts"
import { connector } from "./distributed/connector.ts"
import { coordinators } from "./distributed/coordinators.ts"
import { disk } from "./distributed/disk.ts"
import { locks } from "./distributed/locks.ts"
import { offsets } from "./distributed/offsets.ts"
import { origin } from "./distributed/origin.ts"
import { rebuildAdvice } from "./distributed/rebuildAdvice.ts"
import * as TableChecks from "./distributed/table.ts"
import * as TopicChecks from "./distributed/topics.ts"
import { writers } from "./distributed/writers.ts"
import { files } from "./files.ts"

/** From where on something is too little or too much. */
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

const make = Effect.fnUntraced(function* (limits: Limits) {
  const topics = yield* Topics
  const groups = yield* ConsumerGroups
  const connect = yield* Connector
  const metastore = yield* Metastore
  const storage = yield* Storage
  const query = yield* Query
  const log = yield* EventLogReader
  const table = yield* TableReader
  const look = yield* ComponentChecks.lookOf(yield* Components)
  const zookeepers = (yield* Settings.zookeeper).toLowerCase()
  const databases = (yield* Settings.postgres).toLowerCase()
  const drives = yield* DiskUsage.make
  const name = yield* Settings.topic
  const base = yield* Settings.targetOrDefault
  const { bucket } = yield* Settings.s3
  // A commit every 10 seconds makes 360 small files in an hour and 8,640 snapshots in a day.
  const { roomBytes = 2 ** 30, smallFilesEnded = 500, smallFiles = 2_000, snapshots = 5_000 } = limits
  const advice = yield* Effect.cached(rebuildAdvice(query, connect))
  const services = yield* Effect.context<Query | Topics | ConsumerGroups | SinkCommits>()
  const upkeep = files({
    table,
    ended: smallFilesEnded,
    growing: smallFiles,
    total: smallFiles,
    snapshots,
    kept: TableChecks.snapshots(query),
    fewer: "floe maintain"
  })
  return Checks.of({
    all: [
      ...(zookeepers === "none" ? [] : [ComponentChecks.zookeeper(look)]),
      ComponentChecks.kafka(look),
      ComponentChecks.connect(look),
      ComponentChecks.storage(storage),
      ...(databases === "none" ? [] : [ComponentChecks.postgres(look)]),
      ComponentChecks.metastore(look),
      ComponentChecks.trino(look, query),
      disk(topics, drives, roomBytes),
      TopicChecks.topics(topics, name, yield* Settings.partitions, advice),
      // Without Kafka or its topic it takes no events and says why, as their checks do better.
      {
        name: "server",
        ok: wellOf(addressOf(base)),
        needs: ["kafka", "topics"],
        run: answersAt({ url: base, label: addressOf(base) }, absent)
      },
      TopicChecks.retention(topics, groups, table, name, advice),
      TableChecks.location(query, bucket),
      TableChecks.table({ query, storage, topics, topic: name, bucket, anew: advice }),
      origin(services, name, advice),
      writers(query, advice),
      { ...clock(log, table, base), needs: ["topics", "table"] },
      connector(connect, groups, yield* IcebergSink.settings),
      coordinators(groups),
      locks(metastore),
      offsets(query, topics, table, name, advice),
      commits({ connector: connect, log, table, commitLagLimit: limits.commitLagLimit }),
      { ...upkeep, needs: ["table"] }
    ]
  })
})

export const within = (limits: Limits) => Layer.effect(Checks, make(limits))
