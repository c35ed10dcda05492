/**
 * Copies the events of a processor's input into its topic by key, so that all events of a key are in one partition. How far it
 * is becomes part of the open transaction of its producer.
 */
import { stateTopicOf } from "../../../services/Topics.ts"
import { headersOf, rejectedHeaders } from "../../log/kafka/eventRecords.ts"
import { partitionOf } from "../../log/kafka/partitioner.ts"
import { valueOf } from "../../log/kafka/records.ts"
import type { Beat } from "../Beat.ts"
import { type Bound, HandlerFault, Unprocessable } from "../bind.ts"
import { requireSame } from "../definitionChange.ts"
import { ProcessorStopped, stoppedBy, textOf } from "../Runner.ts"
import type { PlacedEvent } from "./mergePartitions.ts"
import type { Restored } from "./restore.ts"
import { rekeyedKey, rekeyedValue } from "./stateRecords.ts"
import type { TransactionalProducer } from "./TransactionalProducer.ts"

interface RekeyOptions {
  /** Of the input, and of the topic by key. */
  readonly partitions: number
  /** The topic that is read, and its id. */
  readonly topic: string
  readonly input: string
  /** The topic by key, and its id. */
  readonly byKey: string
  readonly output: string
  /** For events without a key. */
  readonly deadLetters: string
  /** Offsets at which it begins. */
  readonly starts: ReadonlyArray<number>
  readonly restored: Restored
  readonly produce: TransactionalProducer["produce"]
  readonly beat: Beat
}

/** Throws ProcessorStopped if what is there does not fit. */
export const make = (
  bound: Bound,
  { beat, byKey, deadLetters, input, output, partitions, produce, restored: { rekeyed }, starts, topic }: RekeyOptions
) => {
  const { definition } = bound
  const { from, name } = definition
  if (rekeyed !== undefined) {
    requireSame(rekeyed.definition, definition)
    const other = rekeyed.input !== input ? topic : rekeyed.output !== output ? byKey : undefined
    if (other !== undefined) {
      throw new ProcessorStopped(
        `The processor ${name} cannot go on: the topic ${other} was deleted and created again since it read its events. Restore Kafka's volumes from a copy, or give the processor another name and another output stream.`
      )
    }
  }
  const first = rekeyed === undefined ? starts : (rekeyed.first ?? [])
  const next = Array.from({ length: partitions }, (_, partition) => (rekeyed?.next ?? starts)[partition] ?? 0)

  const step = ({ acceptedAt, offset, partition, record, schemaVersion }: PlacedEvent) => {
    try {
      const key = Buffer.from(bound.key({ value: bound.decode(record, schemaVersion), record, acceptedAt }))
      const headers = headersOf(schemaVersion, undefined, 0, 1)
      produce(byKey, partitionOf(key, partitions), valueOf(record), key, acceptedAt, headers)
    } catch (cause) {
      const isFault = cause instanceof HandlerFault
      if (!isFault && !(cause instanceof Unprocessable)) throw cause
      if (isFault && definition.onError === "stop") {
        throw stoppedBy(definition, `at ${from}/${partition}/${offset}`, cause)
      }
      const headers = rejectedHeaders(cause.message, undefined, 0, 1)
      produce(deadLetters, 0, Buffer.from(textOf(record)), null, acceptedAt, headers)
    }
  }

  return {
    /** Offset of the next event of each partition. */
    next: next as ReadonlyArray<number>,
    add: (events: ReadonlyArray<PlacedEvent>) => {
      for (const event of events) {
        beat.event(event.offset, event.partition)
        if (event.isForeign !== true) step(event)
        next[event.partition] = event.offset + 1
      }
    },
    commit: () =>
      produce(stateTopicOf(byKey), 0, rekeyedValue({ next, first, input, output, definition }), rekeyedKey, Date.now())
  }
}
