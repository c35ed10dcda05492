import { Schema } from "effect"
import { Column, Partition, Stream } from "floe"

const Item = Schema.Struct({
  sku: Schema.String.check(Schema.isPattern(/^[A-Z]{2}-\d{4}$/)),
  quantity: Column.int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })),
  price: Column.decimal(12, 2, { minimum: "0" })
})

export const Orders = Stream.make("orders", {
  doc: "One event for each status that an order reaches",
  schema: Schema.Struct({
    order_id: Column.uuid,
    changed_at: Column.timestamptz,
    status: Schema.Literals(["placed", "paid", "shipped", "returned"]),
    // 64 bits: send large ones as a string, because JavaScript numbers are exact only up to 2^53.
    customer: Column.long,
    currency: Schema.Literals(["EUR", "NOK", "USD"]),
    total: Column.decimal(12, 2, { minimum: "0" }),
    items: Schema.Array(Item).check(Schema.isMinLength(1)),
    ship_to: Schema.optionalKey(Schema.Struct({ country: Schema.String, city: Schema.String })),
    gift: Schema.optionalKey(Schema.Boolean)
  }),
  // The events of an order keep their order.
  key: "order_id",
  partitionBy: [Partition.month("changed_at"), Partition.identity("currency")]
})
