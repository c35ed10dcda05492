/** The topic that a table is made from: Kafka's id for it, which the table keeps among its properties. */
import { Effect, Option, Schema, Stream } from "effect"
import type { Query } from "../../../services/Query.ts"
import * as Rows from "./rows.ts"

const property = "floe.log.id"

/** What a statement says to keep it; Trino's catalog has to allow it (iceberg.allowed-extra-properties). */
export const assignment = (id: string) => `MAP(ARRAY[${Rows.literal(property)}], ARRAY[${Rows.literal(id)}])`

const Value = Schema.Tuple([Schema.NullOr(Schema.String)])

/** None where the table does not name it: it is older than the property, or another program made it. */
export const read = Effect.fn("LogId.read")(function* (query: Query["Service"], table: string) {
  const [row] = yield* Rows.all(
    query,
    { table, operation: "asking which topic it is made from", row: Value },
    `SELECT value FROM ${Rows.about(table, "properties")} WHERE key = ${Rows.literal(property)}`
  )
  return Option.fromNullishOr(row?.[0])
})

export const set = Effect.fn("LogId.set")(
  function* (query: Query["Service"], table: string, id: string) {
    const { rows } = yield* query.execute(
      `ALTER TABLE iceberg.default."${table}" SET PROPERTIES extra_properties = ${assignment(id)}`
    )
    yield* Stream.runDrain(rows)
  },
  Effect.scoped,
  Effect.catchTag("SnapshotMissing", Effect.die)
)
