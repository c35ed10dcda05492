import { randomUUID } from "node:crypto"
import { assert, test } from "vitest"
import { compose, stateOf } from "./docker.ts"
import { landed, log } from "./weather.ts"

test("docker compose down keeps the data: up again, the rows are there and new ones arrive", {
  timeout: 900_000
}, async () => {
  const prefix = `lifecycle-${randomUUID()}`
  const before = await Promise.all(
    Array.from({ length: 50 }, (_, i) => log({ city: `${prefix} before ${i}`, temperature: "1" }))
  )
  // Does not wait: events that are only in the topic when everything stops must reach the table after the restart.
  await compose("down")
  await compose("up", "--detach", "--wait", "--wait-timeout", "400")
  const after = await Promise.all(
    Array.from({ length: 50 }, (_, i) => log({ city: `${prefix} after ${i}`, temperature: "2" }))
  )
  const { rows, wanted } = await landed(prefix, [...before, ...after])
  assert.deepStrictEqual(rows, wanted)
})

test("everything that lives is healthy, restarts by itself and is limited", async () => {
  const services = (await compose("config", "--services")).trim().split("\n")
  const oneShots = ["minio-init", "setup"]
  for (const service of services.filter((name) => !oneShots.includes(name))) {
    const { health } = await stateOf(service)
    assert.strictEqual(health, "healthy", service)
  }
  const config = JSON.parse(await compose("config", "--format", "json"))
  let memory = 0
  for (const service of services.filter((name) => !oneShots.includes(name))) {
    const { restart, mem_limit, deploy, logging } = config.services[service]
    assert.strictEqual(restart, "unless-stopped", service)
    assert.isDefined(logging.options["max-size"], service)
    memory += Number(mem_limit ?? deploy.resources.limits.memory)
  }
  assert.isBelow(memory, 8 * 2 ** 30)
})
