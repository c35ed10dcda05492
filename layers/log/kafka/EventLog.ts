/** The distributed log: a Kafka topic for each stream. */
import { Context, Effect, Layer } from "effect"
import { EventLog, EventLogReader, type WeatherAppend } from "../../../services/EventLog.ts"
import { topic } from "../../../services/Settings.ts"
import type { WeatherRecord } from "../../../services/Weather.ts"
import { Admin } from "./Admin.ts"
import * as BatchProducer from "./BatchProducer.ts"
import { Cluster } from "./Cluster.ts"
import * as Consumer from "./Consumer.ts"
import * as Reader from "./EventLogReader.ts"
import { headersOf } from "./records.ts"
import * as StreamLogs from "./StreamLogs.ts"
import type { Recognizing } from "./streamEvents.ts"
import * as TopicLog from "./TopicLog.ts"

const noHeaders = () => undefined

const requestOf = ({ records, idempotency }: WeatherAppend): TopicLog.Request<WeatherRecord> => ({
  records,
  idempotency,
  key: idempotency === undefined ? null : idempotency.key,
  headers:
    idempotency === undefined ? noHeaders : (index, first) => headersOf(first ?? idempotency, index, records.length)
})

const make = Effect.fnUntraced(function* (recognizing: Recognizing) {
  const name = yield* topic
  const consumers = yield* Consumer.make(name)
  const admin = yield* Admin
  const weather = yield* TopicLog.make<WeatherRecord>({
    topic: name,
    consumers,
    connect: (...args) => Effect.provideService(BatchProducer.connect(...args), Admin, admin),
    tsOf: (record) => record?.ts ?? "",
    withTs: (record, ts) => ({ ...record, ts })
  })
  const streams = yield* StreamLogs.make

  const append: EventLog["Service"]["append"] = (append) => {
    if (append.records.length + (append.rejected?.length ?? 0) === 0) {
      return Effect.die(new Error("an append has at least one record"))
    }
    return append.stream === undefined ? weather.append(requestOf(append)) : streams.append(append)
  }

  const reader = yield* Reader.make(consumers, name, Reader.optionsOf(recognizing))
  return Context.make(EventLog, EventLog.of({ logId: null, append, ready: weather.ready })).pipe(
    Context.add(EventLogReader, reader)
  )
})

/** `recognizing`: which messages of a stream's topic are events. */
export const layer = (recognizing: Recognizing) =>
  Layer.effectContext(make(recognizing)).pipe(Layer.provide([Cluster.layer, Admin.layer]))
