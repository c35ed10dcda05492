/**
 * The Kafka client alone sends what Floe's server would write: batches of 1,000, four at a time.
 * `node bench/bareKafka.ts <brokers> <topic> <seconds>` prints records per second after a warm-up of two seconds.
 */
import { KafkaJS } from "@confluentinc/kafka-javascript"

const [brokers = "localhost:9092", topic = "weather", seconds = "8"] = process.argv.slice(2)
const warmUp = 2_000

const producer = new KafkaJS.Kafka({
  kafkaJS: { brokers: brokers.split(","), logLevel: KafkaJS.logLevel.NOTHING }
}).producer({
  kafkaJS: { idempotent: true, acks: -1 }
})
await producer.connect()

const batch = () =>
  Array.from({ length: 1000 }, (_, i) => ({
    value: JSON.stringify({ city: `North Sharonstad ${i}`, temperature: "80.59", ts: "2026-01-08-14" })
  }))

const started = performance.now()
const end = started + warmUp + Number(seconds) * 1000
let counted = 0
const sending = async () => {
  while (performance.now() < end) {
    await producer.send({ topic, messages: batch() })
    const now = performance.now()
    if (now >= started + warmUp && now < end) counted += 1000
  }
}
await Promise.all([sending(), sending(), sending(), sending()])
await producer.disconnect()
console.log(`${Math.round(counted / Number(seconds))} records/s`)
