/** The recipes of docs/processing.md, to the letter. */
import { Schema } from "effect"
import { Column, Processor, Stream, Window } from "../../streams/index.ts"

// Deduplicate: the first event of each id.
export const Orders = Stream.make("orders", {
  schema: Schema.Struct({ id: Schema.String, at: Column.timestamptz, product: Schema.String, amount: Column.int })
})
export const UniqueOrders = Stream.make("unique_orders", { schema: Orders.schema })
export const Deduplicate = Processor.fold("unique_orders", {
  from: Orders,
  key: (order) => order.id,
  state: Schema.Struct({ times: Column.long }),
  zero: { times: 0n },
  add: (s) => ({ times: s.times + 1n }),
  to: UniqueOrders,
  emit: (_, s, order) => (s?.times === 1n ? order : undefined)
})

// The three products of each hour that were ordered most. One key, so one state holds all products of an hour.
export const TopProducts = Stream.make("top_products", {
  schema: Schema.Struct({ hour: Column.timestamptz, place: Column.int, product: Schema.String, amount: Column.int })
})
export const Top = Processor.window("top_products", {
  from: UniqueOrders,
  key: () => "all",
  time: (order) => order.at,
  window: Window.tumbling("1 hour"),
  outOfOrder: "1 minute",
  state: Schema.Struct({ amounts: Schema.Record(Schema.String, Column.int) }),
  zero: { amounts: {} },
  add: ({ amounts }, { amount, product }) => ({
    amounts: { ...amounts, [product]: (amounts[product] ?? 0) + amount }
  }),
  to: TopProducts,
  emit: (_, { start }, { amounts }) =>
    Object.entries(amounts)
      .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
      .slice(0, 3)
      .map(([product, amount], index) => ({ hour: start, place: index + 1, product, amount }))
})

// Alert: once when a device gets hot, and once when it has cooled down.
export const Readings = Stream.make("readings", {
  schema: Schema.Struct({ device: Schema.String, at: Column.timestamptz, celsius: Schema.Finite }),
  key: "device"
})
export const Alerts = Stream.make("alerts", {
  schema: Schema.Struct({ device: Schema.String, at: Column.timestamptz, hot: Schema.Boolean })
})
export const Alert = Processor.fold("alerts", {
  from: Readings,
  state: Schema.Struct({ hot: Schema.Boolean, changed: Schema.Boolean }),
  zero: { hot: false, changed: false },
  add: (s, { celsius }) => ({ hot: celsius > 80, changed: celsius > 80 !== s.hot }),
  to: Alerts,
  emit: (device, s, { at }) => (s?.changed ? { device, at, hot: s.hot } : undefined)
})

// Visits: the last 100 pages of a visitor, until half an hour passes without one. Unbounded, one visitor could outgrow the
// largest state.
export const Clicks = Stream.make("clicks", {
  schema: Schema.Struct({ visitor: Schema.String, at: Column.timestamptz, page: Schema.String }),
  key: "visitor"
})
export const Visits = Stream.make("visits", {
  schema: Schema.Struct({ visitor: Schema.String, began: Column.timestamptz, pages: Schema.Array(Schema.String) })
})
export const Visit = Processor.window("visits", {
  from: Clicks,
  time: (click) => click.at,
  window: Window.session("30 minutes"),
  closeWhenIdle: "1 hour",
  state: Schema.Struct({ pages: Schema.Array(Schema.String) }),
  zero: { pages: [] },
  add: ({ pages }, { page }) => ({ pages: [...pages, page].slice(-100) }),
  merge: (a, b) => ({ pages: [...a.pages, ...b.pages].slice(-100) }),
  to: Visits,
  emit: (visitor, { start }, { pages }) => ({ visitor, began: start, pages })
})

// Enrich: a stream has prices and sales of products, and each sale gets the latest price.
export const Market = Stream.make("market", {
  schema: Schema.Struct({
    product: Schema.String,
    price: Schema.optionalKey(Schema.Finite),
    sold: Schema.optionalKey(Column.int)
  }),
  key: "product"
})
export const Sales = Stream.make("sales", {
  schema: Schema.Struct({ product: Schema.String, sold: Column.int, price: Schema.Finite })
})
export const Enrich = Processor.fold("sales", {
  from: Market,
  state: Schema.Struct({ price: Schema.optionalKey(Schema.Finite) }),
  zero: {},
  add: (s, { price }) => (price === undefined ? s : { price }),
  to: Sales,
  emit: (product, s, { sold }) =>
    sold === undefined || s?.price === undefined ? undefined : { product, sold, price: s.price }
})
