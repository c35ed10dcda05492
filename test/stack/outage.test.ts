/** A broker that is down for longer than the producer's timeout. */
import { randomUUID } from "node:crypto"
import { assert, test } from "vitest"
import { docker, stateOf } from "./docker.ts"
import { landed, load, log, server, until } from "./weather.ts"

const ask = async (path: string) => {
  const response = await fetch(`${server}${path}`, { signal: AbortSignal.timeout(15_000) })
  return { status: response.status, body: await response.text() }
}

const healthy = (container: string) =>
  until(
    `${container} healthy`,
    () => stateOf(container),
    ({ health }) => health === "healthy",
    { seconds: 180 }
  )

test("events are rejected or left uncertain, never acknowledged, and each lands once", {
  timeout: 600_000
}, async () => {
  const prefix = `outage-${randomUUID()}`
  const before = await log({ city: `${prefix} before`, temperature: "1" })
  const sending = load(prefix, 20)
  await until(
    "the load",
    async () => sending.acknowledged(),
    (count) => count > 50
  )
  await docker("stop", "--time", "30", "kafka")
  try {
    const rejected = await until(
      "an answer without the broker",
      () => ask("/log?city=nobody&temperature=1"),
      ({ status }) => status === 503
    )
    assert.match(rejected.body, /Kafka|broker/i)
    const acknowledged = sending.acknowledged()
    // Three times the producer's timeout.
    await until(
      "not ready",
      () => ask("/ready"),
      ({ status }) => status === 503
    )
    const since = Date.now()
    await until(
      "12 seconds of absence",
      async () => {
        assert.strictEqual((await ask("/ready")).status, 503)
        assert.strictEqual((await ask("/health")).status, 200)
        assert.strictEqual(sending.acknowledged(), acknowledged, "nothing is acknowledged without the broker")
        return Date.now() - since
      },
      (millis) => millis > 12_000
    )
  } finally {
    await docker("start", "kafka")
  }
  await healthy("kafka")
  const then = sending.acknowledged()
  await until(
    "more acknowledged",
    async () => sending.acknowledged(),
    (count) => count > then + 50,
    { seconds: 120 }
  )
  const acknowledged = [before, ...(await sending.stop())]
  const { rows, wanted } = await landed(prefix, acknowledged)
  assert.deepStrictEqual(rows, wanted)
})
