/** The messages of one partition: those that wait, and the batch that was sent and is not answered. */
import type { KafkaError } from "@confluentinc/kafka-javascript"
import { codes } from "./failures.ts"
import type { Batch } from "./Producer.ts"
import { type BatchRecord, encode, headerBytes, recordBytes } from "./recordBatch.ts"

export interface Message extends BatchRecord {
  readonly batch: Batch
  readonly index: number
  /** In milliseconds of the monotonic clock. */
  readonly deadline: number
}

interface Sent {
  readonly bytes: Buffer
  readonly messages: ReadonlyArray<Message>
}

export interface Encoding {
  readonly producerId: bigint
  readonly epoch: number
  /** The most bytes of a batch of several records. */
  readonly mostBytes: number
  readonly checksum: (bytes: Buffer) => number
}

const report = (messages: ReadonlyArray<Message>, each: (message: Message, i: number) => void) => {
  for (const [i, message] of messages.entries()) {
    each(message, i)
    if (--message.batch.open === 0) message.batch.done()
  }
  return messages.length
}

export const make = (partition: number, leader: number) => {
  let waiting: Array<Message> = []
  let sent: Sent | undefined
  let attempts = 0
  let sequence = 0

  const take = (most: number) => {
    let bytes = headerBytes
    let count = 0
    for (const message of waiting) {
      bytes += recordBytes(message, count)
      if (count > 0 && bytes > most) break
      count++
    }
    const taken = waiting
    if (count === taken.length) {
      waiting = []
      return taken
    }
    waiting = taken.slice(count)
    return taken.slice(0, count)
  }

  const rejected = (error: KafkaError, messages: ReadonlyArray<Message>) =>
    report(messages, ({ batch }) => {
      batch.failure = error
      if (error.code === codes.recordTooLarge) batch.tooLarge++
    })

  return {
    partition,
    leader,
    /** The batch is with the broker. */
    inFlight: false,
    add: (message: Message) => void waiting.push(message),
    hasWork: () => sent !== undefined || waiting.length > 0,
    /** The deadline of its oldest message. */
    deadline: () => (sent?.messages[0] ?? waiting[0])?.deadline,
    /** The batch to send: the one that was not answered, byte for byte, or else the next. */
    next: ({ producerId, epoch, mostBytes, checksum }: Encoding): Buffer | undefined => {
      if (sent === undefined && waiting.length > 0) {
        const messages = take(mostBytes)
        sent = { messages, bytes: encode(messages, { producerId, epoch, sequence }, checksum) }
        attempts = 0
      }
      attempts++
      return sent?.bytes
    },
    /** The batch was sent before, without an answer that tells whether it is logged. */
    isRepeated: () => attempts > 1,
    /** The batch is logged from this offset. Returns the number of its messages, as do the others. */
    accept: (offset: number) => {
      const { messages } = sent ?? { messages: [] }
      sent = undefined
      sequence = (sequence + messages.length) % 2 ** 31
      return report(messages, ({ batch, index }, i) => batch.delivered(index, partition, offset + i))
    },
    /** The broker refused the batch; that takes no sequence numbers. */
    refuse: (error: KafkaError) => {
      const { messages } = sent ?? { messages: [] }
      sent = undefined
      return rejected(error, messages)
    },
    /** Fails everything. */
    abandon: (error: KafkaError) => {
      const messages = [...(sent?.messages ?? []), ...waiting]
      sent = undefined
      waiting = []
      return rejected(error, messages)
    }
  }
}

export type PartitionQueue = ReturnType<typeof make>
