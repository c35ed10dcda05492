/** Batches are read back by another client's reader; partitions are compared with those that Java's producer computes. */
import { assert, describe, it } from "@effect/vitest"
import { jsCRC32C, Reader, readRecordsBatch } from "@platformatic/kafka"
import * as fc from "fast-check"
import { murmur2, partitionOf } from "../../../layers/log/kafka/partitioner.ts"
import { type BatchRecord, encode, headerBytes, recordBytes } from "../../../layers/log/kafka/recordBatch.ts"

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const record = fc.record({
  value: fc.option(bytes),
  key: fc.option(bytes),
  headers: fc.array(
    fc.tuple(fc.string({ minLength: 1, maxLength: 80 }), fc.string({ maxLength: 200 })).map(([name, content]) => ({
      [name]: content
    })),
    { maxLength: 3 }
  ),
  timestamp: fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) })
}) satisfies fc.Arbitrary<BatchRecord>

const utf8 = (text: string) => Buffer.from(text).toString()
const hexOf = (buffer: Buffer | null | undefined) => buffer?.toString("hex") ?? null

const identity = { producerId: 9_007_199_254_740_993n, epoch: 3, sequence: 2 ** 31 - 1 }

describe("A record batch", () => {
  it("has every record as it was given", () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 130 }), (records) => {
        const encoded = encode(records, identity, jsCRC32C)
        const batch = readRecordsBatch(Reader.from(encoded))
        assert.strictEqual(batch.length, encoded.length - 12)
        assert.strictEqual(batch.magic, 2)
        assert.strictEqual(batch.crc, jsCRC32C(encoded.subarray(21)))
        assert.strictEqual(batch.producerId, identity.producerId)
        assert.strictEqual(batch.producerEpoch, identity.epoch)
        assert.strictEqual(batch.firstSequence, identity.sequence)
        assert.strictEqual(batch.lastOffsetDelta, records.length - 1)
        assert.strictEqual(Number(batch.maxTimestamp), Math.max(...records.map(({ timestamp }) => timestamp)))
        assert.deepStrictEqual(
          batch.records.map(({ key, value, headers, offsetDelta, timestampDelta }) => ({
            offset: offsetDelta,
            timestamp: Number(batch.firstTimestamp + timestampDelta),
            key: hexOf(key),
            value: hexOf(value),
            headers: headers.map(([name, content]) => [String(name), String(content)])
          })),
          records.map(({ key, value, headers, timestamp }, offset) => ({
            offset,
            timestamp,
            key: hexOf(key),
            value: hexOf(value),
            headers: headers.flatMap((header) =>
              Object.entries(header).map(([name, content]) => [utf8(name), utf8(content)])
            )
          }))
        )
      }),
      { numRuns: 200 }
    )
  })

  it("is never larger than its records were said to be", () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 130 }), (records) => {
        const close = records.map((one) => ({ ...one, timestamp: one.timestamp % (24 * 24 * 60 * 60 * 1_000) }))
        const said = close.reduce((sum, one, index) => sum + recordBytes(one, index), headerBytes)
        const { length } = encode(close, identity, jsCRC32C)
        assert.isAtMost(length, said)
        assert.isAtLeast(length, said - 6 * close.length)
      })
    )
  })

  it("is checked by CRC-32C", () => assert.strictEqual(jsCRC32C(Buffer.from("123456789")), 0xe3069283))
})

describe("The partition of a key", () => {
  // From the tests of Kafka's Java client.
  for (const [key, hash] of [
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107]
  ] as const) {
    it(`is that of Java's producer: ${key}`, () => {
      assert.strictEqual(murmur2(Buffer.from(key)), hash)
      assert.strictEqual(partitionOf(Buffer.from(key), 7), (hash & 0x7fffffff) % 7)
    })
  }
})
