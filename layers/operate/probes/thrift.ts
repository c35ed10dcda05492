/**
 * Thrift's binary protocol: a call, and its answer as plain values by field number. Written by hand because npm's
 * `thrift` has no types, brings six more packages, and reads a struct only with code generated from Hive's IDL.
 */

import { Schema } from "effect"

type Value = boolean | number | string | Struct | ReadonlyArray<Value>
interface Struct {
  readonly [field: number]: Value
}

/** What the service returned or threw, or why it rejected the call. */
type Answer =
  | { readonly _tag: "Reply"; readonly fields: Struct }
  | { readonly _tag: "Exception"; readonly message: string }

const version = 0x80010000
const messages = { call: 1, reply: 2, exception: 3 }
const types = {
  bool: 2,
  byte: 3,
  double: 4,
  i16: 6,
  i32: 8,
  i64: 10,
  string: 11,
  struct: 12,
  map: 13,
  set: 14,
  list: 15
}
/** Ends a struct; an empty struct is only this. */
const stop = 0

/** No text and no list here is longer: whatever claims to be does not speak Thrift. */
const longest = 1024 * 1024
const deepest = 16

const i32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value | 0)
  return bytes
}

/** A call whose arguments are empty structs, so that every field has its default. */
export const call = (method: string, structs = 0) => {
  const name = Buffer.from(method)
  const args = Array.from({ length: structs }, (_, i) => [types.struct, 0, i + 1, stop]).flat()
  return Buffer.concat([i32(version | messages.call), i32(name.length), name, i32(1), Buffer.from([...args, stop])])
}

class Incomplete extends Schema.TaggedError<Incomplete>()("Incomplete", {}) {}

class NotThrift extends Schema.TaggedError<NotThrift>()("NotThrift", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

const reader = (bytes: Buffer) => {
  let at = 0
  /** Skips so many bytes and returns where they begin. */
  const take = (length: number) => {
    if (at + length > bytes.length) throw new Incomplete()
    at += length
    return at - length
  }
  const byte = () => bytes.readUInt8(take(1))
  const count = (what: string) => {
    const length = bytes.readInt32BE(take(4))
    if (length < 0 || length > longest) throw new NotThrift({ reason: `${what} of length ${length}` })
    return length
  }
  const text = () => {
    const length = count("a text")
    const from = take(length)
    return bytes.toString("utf8", from, from + length)
  }
  const values = (type: number, length: number, depth: number) => {
    const all: Array<Value> = []
    while (all.length < length) all.push(value(type, depth))
    return all
  }
  const map = (depth: number) => {
    const [key, of] = [byte(), byte()]
    const length = count("a map")
    return Array.from({ length }, (): Value => [value(key, depth), value(of, depth)])
  }
  const struct = (depth: number) => {
    const fields: Record<number, Value> = {}
    for (let type = byte(); type !== stop; type = byte()) {
      const field = bytes.readInt16BE(take(2))
      fields[field] = value(type, depth)
    }
    return fields
  }
  const value = (type: number, depth: number): Value => {
    if (depth > deepest) throw new NotThrift({ reason: "values nested too deeply" })
    switch (type) {
      case types.bool:
        return byte() !== 0
      case types.byte:
        return bytes.readInt8(take(1))
      case types.double:
        return bytes.readDoubleBE(take(8))
      case types.i16:
        return bytes.readInt16BE(take(2))
      case types.i32:
        return bytes.readInt32BE(take(4))
      case types.i64:
        return Number(bytes.readBigInt64BE(take(8)))
      case types.string:
        return text()
      case types.struct:
        return struct(depth + 1)
      case types.map:
        return map(depth + 1)
      case types.set:
      case types.list:
        return values(byte(), count("a list"), depth + 1)
      default:
        throw new NotThrift({ reason: `a value of type ${type}` })
    }
  }
  return { i32: () => bytes.readInt32BE(take(4)), text, struct }
}

/** Undefined until the answer is complete; throws if it is not one. */
export const answerOf = (bytes: Buffer): Answer | undefined => {
  const from = reader(bytes)
  try {
    const begin = from.i32()
    if ((begin & ~0xff) !== (version | 0))
      throw new NotThrift({ reason: "it does not begin as Thrift's binary protocol does" })
    const kind = begin & 0xff
    from.text()
    from.i32()
    const fields = from.struct(0)
    if (kind === messages.reply) return { _tag: "Reply", fields }
    if (kind !== messages.exception) throw new NotThrift({ reason: `a message of kind ${kind}` })
    return { _tag: "Exception", message: String(fields[1] ?? "without a reason") }
  } catch (error) {
    if (error instanceof Incomplete) return undefined
    throw error
  }
}
