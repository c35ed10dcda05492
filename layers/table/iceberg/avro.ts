/** Avro object container files (manifests and manifest lists), read and written as a whole, in memory. */
import { randomBytes } from "node:crypto"
import { deflateRawSync, inflateRawSync, zstdDecompressSync } from "node:zlib"
import avro from "avsc"
import { Schema } from "effect"

const magic = Buffer.from("Obj\x01", "latin1")
const blockLength = 1000

const Header = avro.Type.forSchema({
  type: "record",
  name: "Header",
  fields: [
    { name: "magic", type: { type: "fixed", name: "Magic", size: 4 } },
    { name: "meta", type: { type: "map", values: "bytes" } },
    { name: "sync", type: { type: "fixed", name: "Sync", size: 16 } }
  ]
})

const Block = avro.Type.forSchema({
  type: "record",
  name: "Block",
  fields: [
    { name: "count", type: "long" },
    { name: "data", type: "bytes" },
    { name: "sync", type: { type: "fixed", name: "BlockSync", size: 16 } }
  ]
})

const decodeHeader = Schema.decodeUnknownSync(
  Schema.Struct({ meta: Schema.Record(Schema.String, Schema.Uint8Array), sync: Schema.Uint8Array })
)
const decodeBlock = Schema.decodeUnknownSync(
  Schema.Struct({ count: Schema.Int, data: Schema.Uint8Array, sync: Schema.Uint8Array })
)

const scratch = Buffer.alloc(8)

/** Reads a number if it is exact, otherwise a bigint; writes both. */
const long = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => {
    const value = bytes.readInt32LE(4) * 2 ** 32 + bytes.readUInt32LE(0)
    return Number.isSafeInteger(value) ? value : bytes.readBigInt64LE(0)
  },
  toBuffer: (value: number | bigint) => {
    scratch.writeBigInt64LE(BigInt(value))
    return scratch
  },
  fromJSON: (value: number) => value,
  toJSON: (value: number | bigint) => Number(value),
  isValid: (value: unknown) => typeof value === "bigint" || Number.isSafeInteger(value),
  compare: (a: number | bigint, b: number | bigint) => (a < b ? -1 : a > b ? 1 : 0)
})

const Attributes = Schema.Struct({ "field-id": Schema.Int })
const isField = Schema.is(Attributes)

/** The schema's text goes to the header unchanged, so that attributes unknown to avsc (`field-id`) stay. */
const formatOf = (text: string, names: ReadonlyMap<number, string>) => {
  const rename = (_: string, value: unknown) => {
    const name = isField(value) ? names.get(value["field-id"]) : undefined
    return name === undefined || !isField(value) ? value : { ...value, name }
  }
  return { text, type: avro.Type.forSchema(JSON.parse(text, rename), { registry: { long } }) }
}
export type Format = ReturnType<typeof formatOf>

const noNames: ReadonlyMap<number, string> = new Map()

export const makeFormat = (schema: object) => formatOf(JSON.stringify(schema), noNames)

export type Meta = Readonly<Record<string, string>>

export const encode = (format: Format, meta: Meta, records: ReadonlyArray<object>) => {
  const sync = randomBytes(16)
  const entries = Object.entries({ ...meta, "avro.schema": format.text, "avro.codec": "deflate" })
  const parts = [
    Header.toBuffer({ magic, meta: Object.fromEntries(entries.map(([key, text]) => [key, Buffer.from(text)])), sync })
  ]
  for (let from = 0; from < records.length; from += blockLength) {
    const block = records.slice(from, from + blockLength)
    const data = deflateRawSync(Buffer.concat(block.map((record) => format.type.toBuffer(record))))
    parts.push(Block.toBuffer({ count: block.length, data, sync }))
  }
  return Buffer.concat(parts)
}

const formats = new Map<string, Format>()

const known = (schema: string, names: ReadonlyMap<number, string>) => {
  let format = formats.get(schema)
  if (format === undefined) {
    format = formatOf(schema, names)
    if (formats.size < 64) formats.set(schema, format)
  }
  return format
}

const codecs: Record<string, (data: Buffer) => Buffer> = {
  null: (data) => data,
  deflate: (data) => inflateRawSync(data),
  zstandard: (data) => zstdDecompressSync(data)
}

const at = (type: avro.Type, bytes: Buffer, offset: number): { readonly value: unknown; readonly offset: number } => {
  const decoded = type.decode(bytes, offset)
  if (decoded.offset < 0) throw new Error("ends too early")
  return decoded
}

/**
 * The records as Avro decodes them, not yet checked by a Schema. `names` gives the fields' names by their ids, because
 * writers have used different names over the years. Throws if the file is truncated or corrupt.
 */
export const decode = (bytes: Buffer, names: ReadonlyMap<number, string>) => {
  if (!bytes.subarray(0, 4).equals(magic)) throw new Error("is not an Avro file")
  const start = at(Header, bytes, 0)
  const header = decodeHeader(start.value)
  const meta = Object.fromEntries(Object.entries(header.meta).map(([key, text]) => [key, Buffer.from(text).toString()]))
  const format = known(meta["avro.schema"] ?? "", names)
  const codec = meta["avro.codec"] ?? "null"
  const decompressed = codecs[codec]
  if (decompressed === undefined) throw new Error(`is compressed with ${codec}, which Floe does not read`)
  const records: Array<unknown> = []
  for (let offset = start.offset; offset < bytes.length; ) {
    const next = at(Block, bytes, offset)
    const block = decodeBlock(next.value)
    if (!Buffer.from(block.sync).equals(Buffer.from(header.sync))) throw new Error("has a damaged block")
    const data = decompressed(Buffer.from(block.data))
    let position = 0
    for (let i = 0; i < block.count; i++) {
      const record = at(format.type, data, position)
      records.push(record.value)
      position = record.offset
    }
    offset = next.offset
  }
  return { format, meta, records }
}
