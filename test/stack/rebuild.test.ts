/** The procedure of docs/operations.md: the table is rebuilt from the topic. */
import { randomUUID } from "node:crypto"
import { assert, test } from "vitest"
import { compose, shell } from "./docker.ts"
import { landed, log, until } from "./weather.ts"

test("the table is dropped and recreated, and every event is in it once", { timeout: 600_000 }, async () => {
  const prefix = `rebuild-${randomUUID()}`
  const acknowledged = await Promise.all(
    Array.from({ length: 100 }, (_, i) => log({ city: `${prefix} ${i}`, temperature: "1" }))
  )
  const before = await landed(prefix, acknowledged)
  assert.deepStrictEqual(before.rows, before.wanted)
  await shell("docker compose exec -T logging-server floe connector delete")
  await shell('docker exec trino trino --execute "DROP TABLE iceberg.default.weather"')
  await until(
    "the group deleted, once its members have left",
    () =>
      shell(
        "docker exec kafka kafka-consumer-groups --bootstrap-server localhost:9092 --delete --group connect-iceberg-sink"
      ),
    (output) => output.includes("successful")
  )
  await compose("up", "setup")
  const after = await landed(prefix, acknowledged)
  assert.deepStrictEqual(after.rows, after.wanted)
})
