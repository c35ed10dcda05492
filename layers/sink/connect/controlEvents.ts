/**
 * What the Iceberg sink's tasks tell each other over its control topic, as far as it says how far the log is in the table.
 * An event is the bytes C2 01, its Avro schema as Java's writeUTF makes it, and Avro's binary form (Iceberg's AvroEncoderUtil).
 */
import avro from "avsc"
import { Option, Predicate, Schema } from "effect"

const magic = Buffer.from([0xc2, 0x01])
/** Of the schema: two bytes that count its bytes. */
const schemaAt = 4

/** A commit's id is 16 bytes, of which the last 12 digits are not hyphenated. */
const uuidOf = (bytes: Uint8Array) =>
  Buffer.from(bytes)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")

/** The fields that are of use here, of every kind of event; the rest is skipped unread. */
const wanted = avro.Type.forSchema({
  type: "record",
  name: "Event",
  fields: [
    { name: "type", type: "int" },
    { name: "group_id", type: "string" },
    {
      name: "payload",
      type: {
        type: "record",
        name: "Payload",
        aliases: ["StartCommit", "DataWritten", "DataComplete", "CommitToTable", "CommitComplete"],
        fields: [
          { name: "commit_id", type: { type: "fixed", name: "uuid_fixed", size: 16 } },
          {
            name: "assignments",
            default: null,
            type: [
              "null",
              {
                type: "array",
                items: {
                  type: "record",
                  name: "TopicPartitionOffset",
                  fields: [
                    { name: "topic", type: "string" },
                    { name: "partition", type: "int" },
                    { name: "offset", type: ["null", "long"] }
                  ]
                }
              }
            ]
          }
        ]
      }
    }
  ]
})

const kinds = ["StartCommit", "DataWritten", "DataComplete", "CommitToTable", "CommitComplete"] as const

const Assignment = Schema.Struct({
  topic: Schema.String,
  partition: Schema.Int,
  /** The next one to read; null for a partition of which nothing was written since the task last told. */
  offset: Schema.NullOr(Schema.Int)
})
const Decoded = Schema.Struct({
  type: Schema.Int,
  group_id: Schema.String,
  payload: Schema.Struct({ commit_id: Schema.Uint8Array, assignments: Schema.NullOr(Schema.Array(Assignment)) })
})
const decodeEvent = Schema.decodeUnknownOption(Decoded)

export interface ControlEvent {
  readonly kind: (typeof kinds)[number]
  /** The sink's consumer group: connectors that share a control topic have one each. */
  readonly group: string
  readonly commitId: string
  readonly assignments: ReadonlyArray<typeof Assignment.Type>
}

/** avsc finds no name that has no namespace inside of one that has; the last parts of Iceberg's names differ anyway. */
const withoutNamespaces = (key: string, value: unknown) =>
  key === "namespace" ? undefined : Predicate.isString(value) && key !== "doc" ? value.replace(/^.*\./, "") : value

type Read = (bytes: Buffer) => unknown

/** By the schema's text, of which there is one for each kind of event and shape of the table. */
const readers = new Map<string, Read>()
const maxReaders = 64

const readerOf = (schema: string): Read => {
  const known = readers.get(schema)
  if (known !== undefined) return known
  const written = avro.Type.forSchema(JSON.parse(schema, withoutNamespaces))
  const resolver = wanted.createResolver(written)
  const read: Read = (bytes) => wanted.fromBuffer(bytes, resolver)
  if (readers.size < maxReaders) readers.set(schema, read)
  return read
}

/** None for what is no event of the sink. */
export const eventOf = (bytes: Buffer): Option.Option<ControlEvent> => {
  if (bytes.length < schemaAt || !bytes.subarray(0, magic.length).equals(magic)) return Option.none()
  const dataAt = schemaAt + bytes.readUInt16BE(magic.length)
  return Option.liftThrowable(() => readerOf(bytes.toString("utf8", schemaAt, dataAt))(bytes.subarray(dataAt)))().pipe(
    Option.flatMap(decodeEvent),
    Option.flatMap(({ type, group_id, payload }) => {
      const kind = kinds[type]
      if (kind === undefined) return Option.none()
      return Option.some({
        kind,
        group: group_id,
        commitId: uuidOf(payload.commit_id),
        assignments: payload.assignments ?? []
      })
    })
  )
}
