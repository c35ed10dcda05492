/** Three streams under load: a component is killed in the middle of an `apply`, and each acknowledged event is in its table once. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, test } from "vitest"
import { nightly } from "../support/nightly.ts"
import { floe } from "../support/program.ts"
import { killHard, stateOf } from "./docker.ts"
import { removeStreams } from "./removedStreams.ts"
import { declaration, landedIn, loadStreams, rowsOf } from "./streamLoad.ts"
import { server, trino, until } from "./weather.ts"

const names = ["readings", "clicks", "orders"].map((name) => `x_${name}_${process.pid}`)
const folder = mkdtempSync(join(tmpdir(), "floe-stream-kills-"))
const file = join(folder, "declared.json")
const env = { FLOE_PROFILE: "distributed", FLOE_STREAMS: file }

const apply = () => Effect.runPromise(floe(["streams", "apply"], env))

/** Applies again until it succeeds, as its message says. */
const applied = async () => {
  await until("the change applied", apply, ({ code }) => code === 0, { seconds: 300 })
}

const versionOf = async (name: string) => {
  const text = await (await fetch(`${server}/streams/${name}`)).text()
  return Number(/"version":(\d+)/.exec(text)?.[1])
}

const served = (version: number) =>
  until(
    `version ${version} served`,
    () => Promise.all(names.map(versionOf)),
    (versions) => versions.every((one) => one === version),
    { seconds: 60 }
  )

const columnsOf = async (stream: string) => (await trino(`DESCRIBE iceberg.default.${stream}`)).map(([name]) => name)

beforeAll(async () => {
  writeFileSync(file, declaration(names, 0))
  await applied()
  await served(1)
}, 300_000)

afterAll(async () => {
  await removeStreams(names)
  rmSync(folder, { recursive: true, force: true })
}, 120_000)

const killed = ["kafka-connect", "kafka", ...(nightly ? ["logging-server", "hive-metastore"] : [])]

test("a component killed in the middle of an apply", { timeout: 900_000 }, async () => {
  const load = loadStreams(names)
  await until(
    "first rows",
    () => Promise.all(names.map(rowsOf)),
    (rows) => rows.every((count) => count > 0),
    {
      seconds: 120,
      every: 2_000
    }
  )
  for (const [i, container] of killed.entries()) {
    writeFileSync(file, declaration(names, i + 1))
    const before = await stateOf(container)
    const applying = apply()
    const column = `c${i + 1}`
    await until(
      `the first table has ${column}`,
      () => columnsOf(names[0] ?? ""),
      (found) => found.includes(column),
      {
        seconds: 60,
        every: 200
      }
    )
    await killHard(container)
    await applying
    await until(
      `${container} running and healthy again`,
      () => stateOf(container),
      (state) => state.running && state.pid !== before.pid && state.health === "healthy",
      { seconds: 240 }
    )
    await applied()
    await served(i + 2)
    load.addColumns(i + 1)
    const then = load.total()
    await until(
      "more acknowledged",
      async () => load.total(),
      (total) => total >= then + 200,
      { seconds: 180 }
    )
  }
  const acknowledged = await load.stop()
  for (const name of names) {
    const { rows, wanted } = await landedIn(name, acknowledged.get(name) ?? [], killed.length)
    assert.deepStrictEqual(rows, wanted, name)
  }
})
