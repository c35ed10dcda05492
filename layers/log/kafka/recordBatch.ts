/** Encodes records as a batch of Kafka's message format 2. */
import type { Header } from "@confluentinc/kafka-javascript"

export interface BatchRecord {
  /** Null is a tombstone. */
  readonly value: Buffer | null
  readonly key: Buffer | null
  readonly headers: ReadonlyArray<Header>
  /** Milliseconds since 1970. */
  readonly timestamp: number
}

/** The numbers by which the broker recognises a repeated batch. */
export interface Identity {
  readonly producerId: bigint
  readonly epoch: number
  /** Of the batch's first record. */
  readonly sequence: number
}

export const headerBytes = 61
/** Before the checksummed part. */
const prefixBytes = 21
const crcAt = 17

/** Zigzag: small negative numbers stay small. */
const zigzag = (value: number) => (value >= 0 ? 2 * value : -2 * value - 1)

const varintBytes = (value: number) => {
  let bytes = 1
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}

const writeVarint = (buffer: Buffer, at: number, value: number) => {
  let rest = zigzag(value)
  let next = at
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) buffer[next++] = (rest % 0x80) | 0x80
  buffer[next++] = rest
  return next
}

/** A field is its length and its bytes; null has the length -1. */
const fieldBytes = (field: Buffer | null) => (field === null ? 1 : varintBytes(field.length) + field.length)

const entriesOf = (headers: ReadonlyArray<Header>) =>
  headers
    .flatMap((header) => Object.entries(header))
    .map(([name, content]) => [Buffer.from(name), Buffer.from(content)] as const)
type Entries = ReturnType<typeof entriesOf>
const noEntries: Entries = []

const bodyBytes = ({ key, value }: BatchRecord, entries: Entries, index: number, later: number) => {
  let bytes = 1 + varintBytes(later) + varintBytes(index) + fieldBytes(key) + fieldBytes(value)
  bytes += varintBytes(entries.length)
  for (const [name, content] of entries) bytes += fieldBytes(name) + fieldBytes(content)
  return bytes
}

/** The bytes of a record at this place of a batch, or a few more. */
export const recordBytes = (record: BatchRecord, index: number) => {
  const entries = record.headers.length === 0 ? noEntries : entriesOf(record.headers)
  // Its length, and a distance in time of up to 24 days from the first record.
  return 3 + 4 + bodyBytes(record, entries, index, 0)
}

const writeField = (buffer: Buffer, at: number, field: Buffer | null) => {
  if (field === null) return writeVarint(buffer, at, -1)
  const next = writeVarint(buffer, at, field.length)
  field.copy(buffer, next)
  return next + field.length
}

/** At least one record. `checksum` is CRC-32C. */
export const encode = (
  records: ReadonlyArray<BatchRecord>,
  { producerId, epoch, sequence }: Identity,
  checksum: (bytes: Buffer) => number
): Buffer => {
  const base = records[0]?.timestamp ?? 0
  let latest = base
  let size = headerBytes
  const parts = records.map((record, index) => {
    const entries = record.headers.length === 0 ? noEntries : entriesOf(record.headers)
    const bytes = bodyBytes(record, entries, index, record.timestamp - base)
    size += varintBytes(bytes) + bytes
    if (record.timestamp > latest) latest = record.timestamp
    return { entries, bytes }
  })
  const buffer = Buffer.allocUnsafe(size)
  buffer.writeBigInt64BE(0n, 0)
  buffer.writeInt32BE(size - 12, 8)
  // The leader's epoch is the broker's to set.
  buffer.writeInt32BE(-1, 12)
  buffer.writeInt8(2, 16)
  buffer.writeInt16BE(0, prefixBytes)
  buffer.writeInt32BE(records.length - 1, 23)
  buffer.writeBigInt64BE(BigInt(base), 27)
  buffer.writeBigInt64BE(BigInt(latest), 35)
  buffer.writeBigInt64BE(producerId, 43)
  buffer.writeInt16BE(epoch, 51)
  buffer.writeInt32BE(sequence, 53)
  buffer.writeInt32BE(records.length, 57)
  let at = headerBytes
  for (const [index, record] of records.entries()) {
    const { entries, bytes } = parts[index] ?? { entries: noEntries, bytes: 0 }
    at = writeVarint(buffer, at, bytes)
    buffer[at++] = 0
    at = writeVarint(buffer, at, record.timestamp - base)
    at = writeVarint(buffer, at, index)
    at = writeField(buffer, writeField(buffer, at, record.key), record.value)
    at = writeVarint(buffer, at, entries.length)
    for (const [name, content] of entries) at = writeField(buffer, writeField(buffer, at, name), content)
  }
  buffer.writeUInt32BE(checksum(buffer.subarray(prefixBytes)), crcAt)
  return buffer
}
