import { Schema } from "effect"
import { Column, Partition, Stream } from "floe"

export const Clicks = Stream.make("clicks", {
  doc: "What visitors of a web shop do",
  schema: Schema.Struct({
    // The browser makes it, so that an event that was sent twice can be recognised.
    event_id: Column.uuid,
    occurred_at: Column.timestamptz,
    visitor: Schema.NonEmptyString,
    action: Schema.Literals(["view", "search", "add_to_cart", "purchase"]),
    url: Schema.String.check(Schema.isMaxLength(2048)),
    // Absent if the visitor typed the address.
    referrer: Schema.optionalKey(Schema.String),
    user_agent: Schema.String,
    // Whatever the page adds: any JSON value, kept as text.
    properties: Schema.optionalKey(Column.json),
    received: Column.accepted
  }),
  // A visitor's events keep their order, which sessions need.
  key: "visitor",
  partitionBy: [Partition.day("occurred_at")]
})
