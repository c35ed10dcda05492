/** Iceberg's bucket transform as functions of DuckDB: the hash is MurmurHash3, 32 bits, x86 variant, seed 0. */
import type { DuckDBConnection } from "@duckdb/node-api"
import { decimalBytes } from "../schema/singleValue.ts"
import { bucketFunctions } from "../schema/transforms.ts"
import { BIGINT, BLOB, DuckDBBlobValue, DuckDBScalarFunction, type DuckDBType, INTEGER, VARCHAR } from "./duckdb.ts"

const rotated = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits))
const mixed = (block: number) => Math.imul(rotated(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593)

/** A signed 32-bit integer. */
const murmur3 = (bytes: Uint8Array) => {
  const blocks = bytes.length >> 2
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let hash = 0
  for (let i = 0; i < blocks; i++) {
    hash = (Math.imul(rotated(hash ^ mixed(view.getInt32(i * 4, true)), 13), 5) + 0xe6546b64) | 0
  }
  let rest = 0
  for (let i = bytes.length - 1; i >= blocks * 4; i--) rest = (rest << 8) | (bytes[i] ?? 0)
  if (bytes.length & 3) hash ^= mixed(rest)
  hash ^= bytes.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

const eight = new Uint8Array(8)
const eightView = new DataView(eight.buffer)

const bytesOf = (value: unknown): Uint8Array => {
  if (value instanceof DuckDBBlobValue) return value.bytes
  if (typeof value === "bigint") {
    eightView.setBigInt64(0, value, true)
    return eight
  }
  return decimalBytes(BigInt(String(value).replace(".", "")))
}

const bucketFunction = (name: string, type: DuckDBType) =>
  DuckDBScalarFunction.create({
    name,
    parameterTypes: [type, INTEGER],
    returnType: INTEGER,
    mainFunction: (_, input, output) => {
      const [values, buckets] = [input.getColumnVector(0), input.getColumnVector(1)]
      for (let row = 0; row < input.rowCount; row++) {
        const value = values.getItem(row)
        const isNull = value === null || value === undefined
        output.setItem(row, isNull ? null : (murmur3(bytesOf(value)) & 0x7fffffff) % Number(buckets.getItem(row)))
      }
      output.flush()
    }
  })

export const register = (connection: DuckDBConnection) => {
  connection.registerScalarFunction(bucketFunction(bucketFunctions.bytes, BLOB))
  connection.registerScalarFunction(bucketFunction(bucketFunctions.long, BIGINT))
  connection.registerScalarFunction(bucketFunction(bucketFunctions.decimal, VARCHAR))
}
