/** Avro object container files, as manifests and manifest lists are: all of one in memory, written and read at once. */
import { randomBytes } from "node:crypto"
import { deflateRawSync, inflateRawSync } from "node:zlib"
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

/** An Avro schema whose text is written into the header as it is, so that attributes avsc does not know (`field-id`) stay. */
export const makeFormat = (schema: object) => {
  const text = JSON.stringify(schema)
  return { text, type: avro.Type.forSchema(JSON.parse(text)) }
}
export type Format = ReturnType<typeof makeFormat>

export const encode = (format: Format, meta: Record<string, string>, records: ReadonlyArray<object>) => {
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

const types = new Map<string, avro.Type>()

const typeOf = (schema: string) => {
  let type = types.get(schema)
  if (type === undefined) {
    type = avro.Type.forSchema(JSON.parse(schema))
    if (types.size < 16) types.set(schema, type)
  }
  return type
}

const at = (type: avro.Type, bytes: Buffer, offset: number): { readonly value: unknown; readonly offset: number } => {
  const decoded = type.decode(bytes, offset)
  if (decoded.offset < 0) throw new Error("ends too early")
  return decoded
}

/** The records as Avro gives them, to be decoded by a Schema; throws if the file is not whole. */
export const decode = (bytes: Buffer) => {
  if (!bytes.subarray(0, 4).equals(magic)) throw new Error("is not an Avro file")
  const start = at(Header, bytes, 0)
  const header = decodeHeader(start.value)
  const meta = Object.fromEntries(Object.entries(header.meta).map(([key, text]) => [key, Buffer.from(text).toString()]))
  const type = typeOf(meta["avro.schema"] ?? "")
  const records: Array<unknown> = []
  for (let offset = start.offset; offset < bytes.length; ) {
    const next = at(Block, bytes, offset)
    const block = decodeBlock(next.value)
    if (!Buffer.from(block.sync).equals(Buffer.from(header.sync))) throw new Error("has a damaged block")
    const data = meta["avro.codec"] === "deflate" ? inflateRawSync(block.data) : Buffer.from(block.data)
    let position = 0
    for (let i = 0; i < block.count; i++) {
      const record = at(type, data, position)
      records.push(record.value)
      position = record.offset
    }
    offset = next.offset
  }
  return { meta, records }
}
