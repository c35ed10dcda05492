// The back end of a shop: it sends each status of two orders as an event, under a key that makes repeats safe.
const server = process.argv[2] ?? "http://localhost:9998"

const tent = { sku: "TE-1002", quantity: 1, price: "249.00" }
const mugs = { sku: "MU-0004", quantity: 2, price: "18.50" }
const stove = { sku: "ST-2001", quantity: 1, price: 59.9 }

const camping = { order_id: "0190e2a1-7c1d-4b52-9d0e-3f6f4f1f2a11", customer: "9007199254740993", currency: "EUR" }
const kitchen = { order_id: "0190e2b7-02aa-4f6b-8f3b-64f2bb0d9c02", customer: 1207, currency: "NOK" }

const events = [
  { ...camping, changed_at: "2026-01-08T13:52:31+01:00", status: "placed", total: "308.90", items: [tent, stove] },
  { ...camping, changed_at: "2026-01-08T12:54:02.118Z", status: "paid", total: "308.90", items: [tent, stove] },
  { ...kitchen, changed_at: "2026-01-09T00:12:45Z", status: "placed", total: 37, items: [mugs], gift: true },
  { ...kitchen, changed_at: "2026-01-09T00:12:51Z", status: "paid", total: 37, items: [mugs], gift: true },
  {
    ...camping,
    changed_at: "2026-01-10T07:30:00Z",
    status: "shipped",
    total: "308.90",
    items: [tent, stove],
    ship_to: { country: "NO", city: "Tromsø" }
  },
  { ...camping, changed_at: "2026-02-02T16:05:00Z", status: "returned", total: "59.90", items: [stove] }
]

for (const event of events) {
  const response = await fetch(`${server}/streams/orders/events`, {
    method: "POST",
    // If no answer comes, send it again with the same key: Floe logs it once.
    headers: { "content-type": "application/json", "idempotency-key": `${event.order_id}-${event.status}` },
    body: JSON.stringify(event)
  })
  console.log(response.status, event.status.padEnd(8), await response.text())
}
