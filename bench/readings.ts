/** A stream of eight typed columns, and bodies of its events as clients write them. */
import { randomUUID } from "node:crypto"
import type { StreamDefinition } from "../services/StreamDefinition.ts"

export const readings: StreamDefinition = {
  name: "readings",
  columns: [
    { name: "device", type: "uuid", required: true },
    { name: "at", type: "timestamptz", required: true },
    { name: "sequence", type: "long", required: true },
    { name: "status", type: "int", required: true },
    { name: "celsius", type: "double", required: true },
    { name: "price", type: "decimal(12,2)", required: false },
    { name: "site", type: "string", required: true },
    { name: "tags", type: "list", element: { type: "string" }, nullable: false, required: false }
  ],
  key: "device",
  partitionBy: [{ column: "at", transform: "day" }]
}

/** Events as JSON.stringify writes them. */
export const readingsOf = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    device: randomUUID(),
    at: new Date(Date.UTC(2026, 10, 27) + i * 1_000 + 123).toISOString(),
    sequence: 4_000_000_000 + i,
    status: 200 + (i % 300),
    celsius: Math.round((Math.random() * 80 - 20) * 1000) / 1000,
    price: (Math.random() * 1000).toFixed(2),
    site: `Station ${i % 500} in the north`,
    tags: ["outdoor", `zone-${i % 7}`]
  }))
