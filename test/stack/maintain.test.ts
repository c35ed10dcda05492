/** Maintenance through Trino keeps the table's rows and what the sink needs. */
import { randomUUID } from "node:crypto"
import { ConfigProvider, Duration, Effect, Layer } from "effect"
import { afterAll, assert, beforeAll, test } from "vitest"
import * as Storage from "../../layers/operate/storage/s3.ts"
import { layers } from "../../layers/profile/distributed.ts"
import * as SinkCommits from "../../layers/sink/connect/SinkCommits.ts"
import * as MaintenanceLayer from "../../layers/table/trino/Maintenance.ts"
import { Maintenance, type MaintenancePlan } from "../../services/Maintenance.ts"
import { floe as command } from "../support/program.ts"
import { docker } from "./docker.ts"
import { landed, load, log, trino, until } from "./weather.ts"

/** About 20 s each, and many times as long on a busy machine. */
const timeout = 300_000

const weather = "iceberg.default.weather"
const about = (what: string) => `iceberg.default."weather$${what}"`

const ended = (...args: ReadonlyArray<string>) => Effect.runPromise(command(args, { FLOE_PROFILE: "distributed" }))

const floe = async (...args: ReadonlyArray<string>) => {
  const { code, out, err } = await ended(...args)
  assert.strictEqual(code, 0, err)
  return out
}

/** Runs in this process, with limits that a test can reach. */
const within = <A, E>(
  limits: Partial<MaintenanceLayer.Limits>,
  use: (maintenance: Maintenance["Service"]) => Effect.Effect<A, E>
) =>
  Effect.runPromise(
    Maintenance.use(use).pipe(
      Effect.provide(
        MaintenanceLayer.within(limits).pipe(
          Layer.provide([Storage.layer, layers.logReader, SinkCommits.layer.pipe(Layer.provide(layers.streams))]),
          Layer.provide(
            ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ FLOE_SNAPSHOT_KEEP: "2" }), { asPrimary: true })
          )
        )
      )
    )
  )

/** Paths below the table's folder, from MinIO's own client. */
const objects = async () => {
  const output = await docker(
    "exec",
    "minio",
    "mc",
    "ls",
    "--recursive",
    "--json",
    "myminio/warehouse/default/weather/"
  )
  return output
    .trim()
    .split("\n")
    .map((line): string => JSON.parse(line).key)
    .sort()
}

const nameOf = (path = "") => path.replace(/^.*\/default\/weather\//, "")

interface Snapshot {
  readonly id: string
  readonly parent: string
  readonly isCurrent: boolean
  readonly isSinks: boolean
}

/** Reads the table with one start of Trino's command line, because the start takes longest. */
const look = async () => {
  const lines = await trino(`
    SELECT 'rows', CAST(count(*) AS varchar), to_hex(checksum(city || '|' || temperature || '|' || ts)), '', '' FROM ${weather}
    UNION ALL SELECT 'file', file_path, '', '', '' FROM ${about("files")}
    UNION ALL SELECT 'snapshot', CAST(s.snapshot_id AS varchar), CAST(coalesce(s.parent_id, 0) AS varchar),
      CAST(r.name IS NOT NULL AS varchar),
      CAST(any_match(map_keys(s.summary), name -> name LIKE 'kafka.connect.offsets.%') AS varchar)
    FROM ${about("snapshots")} s
    LEFT JOIN ${about("refs")} r ON r.snapshot_id = s.snapshot_id AND r.name = 'main'`)
  const of = (kind: string) => lines.filter(([first]) => first === kind)
  return {
    /** The number of rows, and a checksum that does not depend on their order. */
    rows: of("rows"),
    files: of("file").map(([, path]) => nameOf(path)),
    snapshots: of("snapshot").map(
      ([, id = "", parent = "", isCurrent, isSinks]): Snapshot => ({
        id,
        parent,
        isCurrent: isCurrent === "true",
        isSinks: isSinks === "true"
      })
    )
  }
}

/** Walks back from the current snapshot, as the sink does. */
const walk = (all: ReadonlyArray<Snapshot>) => {
  const line: Array<Snapshot> = []
  for (let next = all.find(({ isCurrent }) => isCurrent); next !== undefined; ) {
    line.push(next)
    const { parent } = next
    next = all.find(({ id }) => id === parent)
  }
  return line
}

const taskState = async () => {
  const response = await fetch("http://localhost:8083/connectors/iceberg-sink/status")
  const status: unknown = await response.json()
  return /"tasks":\[\{"id":0,"state":"([A-Z]+)"/.exec(JSON.stringify(status))?.[1]
}

const pause = async () => {
  await floe("connector", "pause")
  await until("the task paused", taskState, (state) => state === "PAUSED")
  // A commit that was announced before still happens, within the commit interval.
  let last = -1
  await until(
    "the last commit of the paused sink",
    async () => {
      const { length } = await objects()
      const isLast = length === last
      last = length
      return isLast
    },
    Boolean,
    { every: 12_000 }
  )
}

const resume = async () => {
  await floe("connector", "resume")
  await until("the task running", taskState, (state) => state === "RUNNING")
}

const prefix = `maintain-${randomUUID()}`
const orphan = `data/ts=2026-01-08-14/${prefix}.parquet`

beforeAll(async () => {
  await until(
    "some commits of the sink",
    async () => (await objects()).filter((path) => path.endsWith(".parquet")).length,
    (files) => files >= 3
  )
  await docker("exec", "minio", "sh", "-c", `echo x | mc pipe "myminio/warehouse/default/weather/${orphan}"`)
  await pause()
}, 240_000)

afterAll(resume)

test("a dry run changes nothing, and names what the run then does", { timeout }, async () => {
  const before = await look()
  const objectsBefore = await objects()
  const plan: MaintenancePlan = JSON.parse(await floe("maintain", "--dry-run", "--json"))
  assert.deepStrictEqual(await objects(), objectsBefore)

  const { compact, expire, remove } = plan
  assert.isAtLeast(compact.files, 2)
  const removed = expire.files + remove.files
  const counted = (count: number, one: string) => `${count.toLocaleString("en-US")} ${one}${count === 1 ? "" : "s"}`
  assert.strictEqual(
    await floe("maintain"),
    `Merged ${counted(compact.files, "file")} into ${compact.into.toLocaleString("en-US")}, expired ${counted(expire.snapshots, "snapshot")} and removed ${counted(removed, "file")}.\n`
  )

  const after = await look()
  const stored = await objects()
  assert.deepStrictEqual(after.rows, before.rows)
  assert.strictEqual(after.files.length, before.files.length - compact.files + compact.into)
  assert.includeMembers(stored, after.files)
  assert.strictEqual(objectsBefore.filter((path) => !stored.includes(path)).length, removed)
  // It becomes an orphan only after seven days.
  assert.include(stored, orphan)
  assert.strictEqual(await floe("maintain"), "There was nothing to do.\n")
})

test("expiry keeps the way back to the sink's offsets, also where it is longer than what is to be kept", {
  timeout
}, async () => {
  const insert = (city: string) => `INSERT INTO ${weather} VALUES ('${city}', '1', '${prefix}')`
  const where = `WHERE ts = '${prefix}'`
  await trino(
    [
      insert("a"),
      insert("b"),
      `ALTER TABLE ${weather} EXECUTE optimize ${where}`,
      `DELETE FROM ${weather} ${where}`
    ].join("; ")
  )
  const before = await look()
  const line = walk(before.snapshots)
  const way = line.slice(0, line.findIndex(({ isSinks }) => isSinks) + 1)
  assert.isAtLeast(way.length, 5)
  assert.isAbove(before.snapshots.length, way.length)

  const limits = { snapshotAge: Duration.zero }
  const plan = await within(limits, (maintenance) => maintenance.plan)
  const objectsBefore = await objects()
  const output = await within(limits, (maintenance) => maintenance.run(() => Effect.void))
  assert.strictEqual(plan.expire.snapshots, before.snapshots.length - way.length)
  assert.include(output, `expired ${plan.expire.snapshots.toLocaleString("en-US")} snapshot`)

  const after = await look()
  const stored = await objects()
  const ids = (some: ReadonlyArray<Snapshot>) => some.map(({ id }) => id)
  const lineAfter = walk(after.snapshots)
  assert.deepStrictEqual(ids(lineAfter.slice(-way.length)), ids(way))
  assert.strictEqual(after.snapshots.length, lineAfter.length)
  const gone = objectsBefore.filter((path) => !stored.includes(path)).length
  // For a table that was replaced before, the plan's figure is approximate.
  if (line.length === before.snapshots.length) assert.strictEqual(gone, plan.expire.files)
  assert.isAtLeast(gone, plan.expire.snapshots)
  assert.includeMembers(stored, after.files)
  assert.deepStrictEqual(after.rows, before.rows)
})

test("an orphan is removed once it is old, and not while the sink may have written it", { timeout }, async () => {
  const before = await look()
  await log({ city: `${prefix} waiting`, temperature: "1" })
  const limits = { orphanAge: Duration.seconds(10) }
  const behind = await within({ ...limits, uncommitted: Duration.zero }, (maintenance) => maintenance.plan)
  assert.strictEqual(behind.remove.files, 0)
  assert.match(behind.left?.[0] ?? "", /kept, because events from .* are not in the table yet/)

  const plan = await within(limits, (maintenance) => maintenance.plan)
  assert.isAtLeast(plan.remove.files, 1)
  const objectsBefore = await objects()
  await within(limits, (maintenance) => maintenance.run(() => Effect.void))
  const after = await look()
  const stored = await objects()
  assert.notInclude(stored, orphan)
  assert.strictEqual(objectsBefore.filter((path) => !stored.includes(path)).length, plan.remove.files)
  assert.includeMembers(stored, after.files)
  assert.deepStrictEqual(after.rows, before.rows)
})

test("after all of it the sink continues where it was, even after a restart: each event once", {
  timeout
}, async () => {
  const waiting = await Promise.all(
    Array.from({ length: 50 }, (_, i) => log({ city: `${prefix}-after ${i}`, temperature: "1" }))
  )
  await resume()
  await floe("connector", "restart")
  const sending = load(`${prefix}-after during`)
  await floe("maintain")
  await within({ snapshotAge: Duration.zero }, (maintenance) => maintenance.run(() => Effect.void))
  await floe("connector", "restart")
  await floe("maintain")
  const sent = await sending.stop()
  const { rows, wanted } = await landed(`${prefix}-after`, [...waiting, ...sent])
  assert.deepStrictEqual(rows, wanted)
})
