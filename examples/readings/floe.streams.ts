import { Schema } from "effect"
import { Column, Partition, Stream } from "floe"

export const Readings = Stream.make("readings", {
  doc: "What sensors measure",
  schema: Schema.Struct({
    device: Column.uuid,
    // When it was measured. A device that was offline sends its readings later, and each still goes into the partition of its day.
    measured_at: Column.timestamptz,
    celsius: Schema.Finite.check(Schema.isBetween({ minimum: -90, maximum: 60 })),
    humidity: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 100 }))),
    battery: Schema.optionalKey(Column.int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))),
    place: Schema.optionalKey(Schema.Struct({ lat: Schema.Finite, lon: Schema.Finite })),
    received: Column.accepted
  }),
  key: "device",
  partitionBy: [Partition.day("measured_at")]
})
