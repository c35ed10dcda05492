/** What `floe streams init` writes. docs/streams.md has the whole table of types. */
export const example = `// The streams of this project. Floe reads this file when it starts, and \`floe streams check\` checks it.
import { Column, Partition, Stream } from "floe"
import { Schema } from "effect"

// Events go to POST /streams/readings/events. Their rows are in the table default.readings.
export const Readings = Stream.make("readings", {
  doc: "Readings of sensors",
  schema: Schema.Struct({
    device: Column.uuid,
    // When it was measured: RFC 3339, for example 2026-11-27T10:11:12.5+01:00. Kept in UTC, with microseconds.
    measured_at: Column.timestamptz,
    // A 64-bit floating-point number.
    celsius: Schema.Finite,
    // Required fields come with every event; optional ones may be absent or null.
    battery: Schema.optionalKey(Column.int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))),
    // Exact decimal numbers: 12 digits, 2 of them after the point.
    price: Schema.optionalKey(Column.decimal(12, 2)),
    place: Schema.optionalKey(Schema.Struct({ lat: Schema.Finite, lon: Schema.Finite })),
    tags: Schema.optionalKey(Schema.Array(Schema.NonEmptyString)),
    // The server sets this column to the time at which it accepted the event.
    accepted: Column.accepted
  }),
  // Events with the same key keep their order.
  key: "device",
  // Queries with a condition on measured_at read only the files of those days.
  partitionBy: [Partition.day("measured_at")]
})
`
