import { Effect, Layer } from "effect"
import { eventLogContract } from "../log/eventLogContract.ts"
import { likeWeather, streamAsWeather } from "../log/streamAsWeather.ts"
import { logOn, streamsOf, temporaryLog, temporaryStream } from "./kafkaTopic.ts"

eventLogContract("EventLog on Kafka, one partition", temporaryLog(1))
eventLogContract("EventLog on Kafka, four partitions", temporaryLog(4))

const temporaryStreamLog = (partitions: number) =>
  Layer.unwrap(
    Effect.map(temporaryStream(partitions), ({ stream, topic }) =>
      streamAsWeather(stream, logOn(topic, {}, streamsOf(likeWeather(stream))))
    )
  )

eventLogContract("A stream of EventLog on Kafka, one partition", temporaryStreamLog(1))
eventLogContract("A stream of EventLog on Kafka, four partitions", temporaryStreamLog(4))
