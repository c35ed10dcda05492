/** The checks of the distributed profile: first the components, then what they hold and do. */
import { type Duration, Effect, Layer } from "effect"
import { Checks } from "../../../services/Checks.ts"
import { Components } from "../../../services/Components.ts"
import type { Connector } from "../../../services/Connector.ts"
import type { Query } from "../../../services/Query.ts"
import * as Settings from "../../../services/Settings.ts"
import { Storage } from "../../../services/Storage.ts"
import { addressOf } from "../../ingest/health.ts"
import * as IcebergSink from "../../sink/connect/icebergSink.ts"
import { answersAt, okOf } from "../probes/server.ts"
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
    all: yield* provideChecks([
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
    ])
  })
})

export const within = (limits: Limits) => Layer.effect(Checks, make(limits))
