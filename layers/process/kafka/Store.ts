/**
 * A processor's store on Kafka: what it changes becomes messages of an open transaction of its producer. `commit` puts the
 * progress into it; the worker then commits the transaction. After a failure, neither the store nor the producer can be used.
 */
import type { ProcessorDefinition } from "../../../services/ProcessorDefinition.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { deadLettersOf } from "../../../services/Topics.ts"
import { headersOf, rejectedHeaders } from "../../log/kafka/eventRecords.ts"
import { keyReader } from "../../log/kafka/keyValue.ts"
import { partitionOf } from "../../log/kafka/partitioner.ts"
import { requireSame } from "../definitionChange.ts"
import { ProcessorStopped } from "../Runner.ts"
import type { Progress, Store } from "../Store.ts"
import { statesIn } from "../sqlite/states.ts"
import type { Restored } from "./restore.ts"
import { progressKey, progressValue, tickKey, tickValue, windowKey, windowValue } from "./stateRecords.ts"
import type { TransactionalProducer } from "./TransactionalProducer.ts"

/** A stream, its topic, and the number of partitions of that. */
export interface OutputTopic {
  readonly stream: AppliedStream
  readonly topic: string
  readonly partitions: number
}

interface StoreOptions {
  readonly definition: ProcessorDefinition
  /** Of the input, as those of the state. */
  readonly partition: number
  /** The topic that is read, and its id. */
  readonly topic: string
  readonly input: string
  readonly stateTopic: string
  readonly output: OutputTopic
  readonly late: OutputTopic | undefined
  /** Offset at which a new processor begins. */
  readonly start?: number
  readonly restored: Restored
  readonly produce: TransactionalProducer["produce"]
}

/** Keys have the partition that the door gives them; rows without a key that of their input. */
export const placer = ({ partitions, stream }: OutputTopic, partition: number) => {
  const keyOf = keyReader(stream.definition.key)
  return (record: string) => {
    const text = keyOf(record)
    const key = typeof text === "string" ? Buffer.from(text) : text
    return { key, place: key === null ? partition % partitions : partitionOf(key, partitions) }
  }
}

const appender = (output: OutputTopic, partition: number, produce: TransactionalProducer["produce"]) => {
  const placeOf = placer(output, partition)
  const headers = headersOf(output.stream.version, undefined, 0, 1)
  return (record: string, acceptedAt: number) => {
    const { key, place } = placeOf(record)
    produce(output.topic, place, Buffer.from(record), key, acceptedAt, headers)
  }
}

/** Throws ProcessorStopped if the restored state does not fit the definition or the input. */
export const make = ({
  definition,
  input,
  late,
  output,
  partition,
  produce,
  restored,
  start = 0,
  stateTopic,
  topic
}: StoreOptions): Store => {
  const { name } = definition
  const { database, progress: known } = restored
  if (known !== undefined) requireSame(known.definition, definition)
  if (known !== undefined && known.input !== input) {
    throw new ProcessorStopped(
      `The processor ${name} cannot go on: its state was made from the topic ${topic} with the id ${known.input}, and that topic was deleted and created again (${input}). Restore Kafka's volumes from a copy, or give the processor another name and another output stream.`
    )
  }
  const states = statesIn(database)
  const closing = database.prepare(`SELECT key, start FROM windows WHERE "end" = ?`)
  let { ticks } = restored
  const first = known === undefined ? start : (known.first ?? 0)
  let progress: Progress = { next: known?.next ?? first, watermark: known?.watermark ?? Number.NEGATIVE_INFINITY }

  const keep = (key: Buffer, value: Buffer | null) => produce(stateTopic, partition, value, key, Date.now())
  const forget = (key: string, start: number) => keep(windowKey(key, start), null)

  return {
    progress: () => progress,
    begin: () => database.exec("BEGIN"),
    row: appender(output, partition, produce),
    late: late === undefined ? () => {} : appender(late, partition, produce),
    dead: (value, reason, acceptedAt) =>
      produce(
        deadLettersOf(output.topic),
        0,
        Buffer.from(value),
        null,
        acceptedAt,
        rejectedHeaders(reason, undefined, 0, 1)
      ),
    tick: (tick) => keep(tickKey(ticks++), tickValue(tick)),
    load: states.load,
    some: states.some,
    nextEnd: states.nextEnd,
    due: states.due,
    put: (row, replaced) => {
      if (replaced !== undefined && replaced !== row.start) forget(row.key, replaced)
      keep(windowKey(row.key, row.start), windowValue(row))
      states.put(row, replaced)
    },
    remove: (key, start) => {
      forget(key, start)
      states.remove(key, start)
    },
    removeEnd: (end) => {
      for (const { key, start } of closing.iterate(end)) forget(String(key), Number(start))
      states.removeEnd(end)
    },
    commit: (now) => {
      const watermark = Number.isFinite(now.watermark) ? now.watermark : null
      keep(
        progressKey,
        progressValue({ next: now.next, ...(first === 0 ? {} : { first }), watermark, input, definition })
      )
      database.exec("COMMIT")
      progress = now
    }
  }
}
