/** The id of the Kafka topic that a table was built from, kept as a table property. */
import { Effect, Option, Schema, Stream } from "effect"
import { Query } from "../../../services/Query.ts"
import * as Rows from "./rows.ts"

const property = "floe.log.id"

/** SQL that stores the id; Trino's catalog must allow the property (iceberg.allowed-extra-properties). */
export const assignment = (id: string) => `MAP(ARRAY[${Rows.literal(property)}], ARRAY[${Rows.literal(id)}])`

const Value = Schema.Tuple([Schema.NullOr(Schema.String)])

/** None if the table has no such property: it predates the property, or another program created it. */
export const read = Effect.fn("LogId.read")(function* (table: string) {
  const [row] = yield* Rows.all(
    { table, operation: "reading which topic it was built from", row: Value },
    `SELECT value FROM ${Rows.metadataTable(table, "properties")} WHERE key = ${Rows.literal(property)}`
  )
  return Option.fromNullishOr(row?.[0])
})

export const set = Effect.fn("LogId.set")(
  function* (table: string, id: string) {
    const { rows } = yield* (yield* Query).execute(
      `ALTER TABLE iceberg.default."${table}" SET PROPERTIES extra_properties = ${assignment(id)}`
    )
    yield* Stream.runDrain(rows)
  },
  Effect.scoped,
  Effect.catchTag("SnapshotMissing", Effect.die)
)
