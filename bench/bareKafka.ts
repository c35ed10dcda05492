/**
 * The Kafka client alone sends what Floe's server would write: batches of 1,000, four at a time.
 * `node bench/bareKafka.ts <brokers> <topic> <seconds> weather|readings` prints records per second, after a warm-up of two
 * seconds, and the processor time that each took.
 */
import { KafkaJS } from "@confluentinc/kafka-javascript"
import { Result } from "effect"
import { make } from "../layers/ingest/checker/Checker.ts"
import { readings, readingsOf } from "./readings.ts"

const [brokers = "localhost:9092", topic = "weather", seconds = "8", kind = "weather"] = process.argv.slice(2)
const warmUp = 2_000

const producer = new KafkaJS.Kafka({
  kafkaJS: { brokers: brokers.split(","), logLevel: KafkaJS.logLevel.NOTHING }
}).producer({
  kafkaJS: { idempotent: true, acks: -1 }
})
await producer.connect()

const weather = () =>
  Array.from({ length: 1000 }, (_, i) => ({
    value: JSON.stringify({ city: `North Sharonstad ${i}`, temperature: "80.59", ts: "2026-01-08-14" })
  }))

const body = readingsOf(1000)
const { records } = make(readings)
  .json(JSON.stringify(body), { accepted: undefined, all: false })
  .pipe(Result.getOrThrow)
const canonical = () => records.map((value, i) => ({ value, key: body[i]?.device ?? "" }))

const batch = kind === "weather" ? weather : canonical

const started = performance.now()
const end = started + warmUp + Number(seconds) * 1000
let counted = 0
let sent = 0
const sending = async () => {
  while (performance.now() < end) {
    await producer.send({ topic, messages: batch() })
    sent += 1000
    const now = performance.now()
    if (now >= started + warmUp && now < end) counted += 1000
  }
}
await Promise.all([sending(), sending(), sending(), sending()])
await producer.disconnect()
const { user, system } = process.cpuUsage()
console.log(`${Math.round(counted / Number(seconds))} records/s`)
console.log(`${((user + system) / sent).toFixed(2)} µs of processor time a record`)
