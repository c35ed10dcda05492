import { randomUUID } from "node:crypto"
import { assert, test } from "vitest"
import { landed, log, logAll } from "./weather.ts"

const readings = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({ city: `${prefix} ${i}`, temperature: `${i % 120}.${i % 10}` }))

test("1,000 records through /log are each in the table once", { timeout: 300_000 }, async () => {
  const prefix = `single-${randomUUID()}`
  const acknowledged = await Promise.all(readings(prefix, 1_000).map(log))
  const { rows, wanted } = await landed(prefix, acknowledged)
  assert.deepStrictEqual(rows, wanted)
})

test("20,000 records through /events are each in the table once", { timeout: 300_000 }, async () => {
  const prefix = `batch-${randomUUID()}`
  const all = readings(prefix, 20_000)
  const batches = Array.from({ length: 20 }, (_, i) => all.slice(i * 1_000, (i + 1) * 1_000))
  const acknowledged = (await Promise.all(batches.map(logAll))).flat()
  const { rows, wanted } = await landed(prefix, acknowledged)
  assert.strictEqual(rows.length, 20_000)
  assert.deepStrictEqual(rows, wanted)
})
