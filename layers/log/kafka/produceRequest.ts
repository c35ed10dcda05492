/** The two requests of a producer, in versions that every broker since Kafka 0.11 answers. */
import type { Connection, Reader } from "@platformatic/kafka"
import { Effect } from "effect"

const produceApi = { key: 0, version: 3 }
const initProducerIdApi = { key: 22, version: 0 }
const acksAll = -1

export interface PartitionBatch {
  readonly partition: number
  readonly bytes: Buffer
}

export interface PartitionResult {
  readonly partition: number
  /** The broker's error code; 0 if the batch is logged. */
  readonly code: number
  /** Of the batch's first record. */
  readonly offset: number
}

type Answer<A> = (error: Error | null, value?: A) => void

/** Resolved once: the package loads a tenth of a second. */
export type Client = typeof import("@platformatic/kafka")

const list = <A>(reader: Reader, one: () => A) => {
  const count = reader.readInt32()
  return Array.from({ length: Math.max(0, count) }, one)
}

const resultsOf = (reader: Reader): ReadonlyArray<PartitionResult> =>
  list(reader, () => {
    reader.readString(false)
    return list(reader, () => {
      const result = {
        partition: reader.readInt32(),
        code: reader.readInt16(),
        offset: Number(reader.readInt64())
      }
      reader.readInt64()
      return result
    })
  }).flat()

/** Sends batches of one topic; answered once all in-sync replicas have them. */
export const produce = (
  { Writer }: Client,
  connection: Connection,
  topic: string,
  batches: ReadonlyArray<PartitionBatch>,
  timeout: number,
  answer: Answer<ReadonlyArray<PartitionResult>>
) => {
  const request = () => {
    const writer = Writer.create()
      .appendString(null, false)
      .appendInt16(acksAll)
      .appendInt32(timeout)
      .appendInt32(1)
      .appendString(topic, false)
      .appendInt32(batches.length)
    for (const { partition, bytes } of batches) writer.appendInt32(partition).appendInt32(bytes.length).append(bytes)
    return writer
  }
  const { key, version } = produceApi
  connection.send(key, version, request, (_, _key, _version, reader) => resultsOf(reader), false, false, answer)
}

export interface ProducerId {
  readonly code: number
  readonly producerId: bigint
  readonly epoch: number
}

/** Asks for the id by which the broker recognises this producer's batches. */
export const initProducerId = ({ Writer }: Client, connection: Connection) =>
  Effect.callback<ProducerId, unknown>((resume) => {
    const parse = (reader: Reader) => {
      reader.readInt32()
      return { code: reader.readInt16(), producerId: reader.readInt64(), epoch: reader.readInt16() }
    }
    const { key, version } = initProducerIdApi
    const request = () => Writer.create().appendString(null, false).appendInt32(0)
    connection.send(
      key,
      version,
      request,
      (_, _key, _version, reader) => parse(reader),
      false,
      false,
      (error, id) => resume(id === undefined ? Effect.fail(error) : Effect.succeed(id))
    )
  })
