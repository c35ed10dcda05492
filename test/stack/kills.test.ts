/** Each container is killed under load: it recovers by itself, and no acknowledged event is missing or duplicated. */
import { randomUUID } from "node:crypto"
import { assert, test } from "vitest"
import { nightly } from "../support/nightly.ts"
import { killHard, stateOf } from "./docker.ts"
import { landed, load, rowCount, until } from "./weather.ts"

const containers = [
  "logging-server",
  "kafka-connect",
  "hive-metastore",
  "postgres",
  "minio",
  "zookeeper",
  "kafka",
  // Events do not pass through these.
  ...(nightly ? ["client", "trino"] : [])
]

test.each(containers)("%s killed", { timeout: 600_000 }, async (container) => {
  const prefix = `kill-${container}-${randomUUID()}`
  const sending = load(prefix)
  await until(
    "the first rows in the table",
    () => rowCount(prefix),
    (rows) => rows > 0,
    { seconds: 120, every: 2_000 }
  )
  const { restarts } = await stateOf(container)
  const pid = await killHard(container)
  const back = await until(
    `${container} running and healthy again`,
    () => stateOf(container),
    (state) => state.running && state.pid !== pid && state.health === "healthy",
    { seconds: 240 }
  )
  // A killed broker's first start can fail, because its old ZooKeeper session has not expired yet.
  assert.isAtLeast(back.restarts, restarts + 1)
  // The load continues after the recovery: later events must also reach the table.
  const then = sending.acknowledged()
  await until(
    "more acknowledged",
    async () => sending.acknowledged(),
    (count) => count >= then + 100,
    { seconds: 180 }
  )
  const acknowledged = await sending.stop()
  const { rows, wanted } = await landed(prefix, acknowledged)
  assert.deepStrictEqual(rows, wanted)
})
