/**
 * Decodes the events that the Iceberg sink's tasks exchange on its control topic, as far as they show positions of the log.
 * An event is the bytes C2 01, its Avro schema as Java's writeUTF writes it, and Avro binary (Iceberg's AvroEncoderUtil).
 */
import avro from "avsc"
import { Option, Predicate, Schema } from "effect"

const magic = Buffer.from([0xc2, 0x01])
/** Two bytes before the schema hold its length. */
const schemaAt = 4

const uuidOf = (bytes: Uint8Array) =>
  Buffer.from(bytes)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")

const readerType = avro.Type.forSchema({
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
  /** The next offset to read; null if nothing was written to the partition since the task's last event. */
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
  /** The connector's consumer group, as several connectors may share a control topic. */
  readonly group: string
  readonly commitId: string
  readonly assignments: ReadonlyArray<typeof Assignment.Type>
}

/** avsc cannot resolve a name without a namespace inside one that has it; the last parts of Iceberg's names are unique. */
const withoutNamespaces = (key: string, value: unknown) =>
  key === "namespace" ? undefined : Predicate.isString(value) && key !== "doc" ? value.replace(/^.*\./, "") : value

type Read = (bytes: Buffer) => unknown

const readers = new Map<string, Read>()
const maxReaders = 64

const readerOf = (schema: string): Read => {
  const known = readers.get(schema)
  if (known !== undefined) return known
  const written = avro.Type.forSchema(JSON.parse(schema, withoutNamespaces))
  const resolver = readerType.createResolver(written)
  const read: Read = (bytes) => readerType.fromBuffer(bytes, resolver)
  if (readers.size < maxReaders) readers.set(schema, read)
  return read
}

/** None if the bytes are not an event of the sink. */
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
