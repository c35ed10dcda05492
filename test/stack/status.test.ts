import { randomUUID } from "node:crypto"
import { createServer, type Socket, connect as tcp } from "node:net"
import { Effect, Schema } from "effect"
import { assert, test } from "vitest"
import * as MetastoreLayer from "../../layers/operate/probes/Metastore.ts"
import packageJson from "../../package.json" with { type: "json" }
import { Metastore } from "../../services/Metastore.ts"
import { floe, startFloe } from "../support/program.ts"
import { docker, shell } from "./docker.ts"
import { server, trino, until } from "./weather.ts"

const env = { FLOE_PROFILE: "distributed" }

const Positions = Schema.Array(Schema.Struct({ partition: Schema.Int, offset: Schema.Int }))
const Status = Schema.Struct({
  components: Schema.Array(
    Schema.Struct({ name: Schema.String, state: Schema.String, version: Schema.NullOr(Schema.String) })
  ),
  log: Schema.Struct({
    end: Schema.Int,
    partitions: Schema.Array(Schema.Struct({ partition: Schema.Int, start: Schema.Int, end: Schema.Int }))
  }),
  table: Schema.NullOr(
    Schema.Struct({
      rows: Schema.Int,
      files: Schema.Int,
      committed: Schema.Int,
      committedSecondsAgo: Schema.Finite,
      positions: Positions
    })
  ),
  lag: Schema.Struct({ events: Schema.NullOr(Schema.Int), seconds: Schema.NullOr(Schema.Finite) }),
  unread: Schema.Struct({ log: Schema.NullOr(Schema.String), table: Schema.NullOr(Schema.String) })
})
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Status))

const asked = async (args: ReadonlyArray<string>, more: Record<string, string> = {}) =>
  Effect.runPromise(floe(["status", ...args], { ...env, ...more }))

const status = async () => {
  const { out } = await asked(["--json"])
  return decode(out)
}

const stateOf = ({ components }: typeof Status.Type, wanted: string) =>
  components.find(({ name }) => name === wanted)?.state

/** As the broker's own tool prints them. */
const ends = async () => {
  const lines = await docker(
    "exec",
    "kafka",
    "kafka-get-offsets",
    "--bootstrap-server",
    "localhost:9092",
    "--topic",
    "weather"
  )
  return lines
    .trim()
    .split("\n")
    .map((line) => Number(line.split(":")[2]))
}

const rowsNow = async () => Number((await trino("SELECT count(*) FROM iceberg.default.weather"))[0]?.[0])

/** The first match in the output of a command in a container. */
const reported = async (container: string, line: string, pattern: RegExp) =>
  pattern.exec(await docker("exec", container, "bash", "-c", line))?.[1]

test("everything is up, in the versions that the containers report themselves", async () => {
  const healthy = await until(
    "everything is up",
    () => asked(["--json"]),
    ({ code }) => code === 0,
    { seconds: 60 }
  )
  assert.strictEqual(healthy.err, "")
  const { components, unread } = decode(healthy.out)
  assert.deepStrictEqual(unread, { log: null, table: null })
  for (const { name, state } of components) assert.strictEqual(state, "up", name)
  const broker = "kafka-configs --bootstrap-server localhost:9092 --entity-type brokers --describe --all"
  const [kafka, zookeeper, connect, trino, hive] = await Promise.all([
    reported("kafka", broker, /inter\.broker\.protocol\.version=(\d+\.\d+)/),
    reported("zookeeper", "exec 3<>/dev/tcp/127.0.0.1/2181; echo srvr >&3; cat <&3", /version: (\d+\.\d+\.\d+)/),
    reported("kafka-connect", "curl -s http://localhost:8083/", /"version":"([^"]+)"/),
    reported("trino", "trino --version", /(\d+)\s*$/),
    reported("hive-metastore", "ls /opt/hive-metastore/lib", /hive-standalone-metastore-(\d+)\./)
  ])
  assert.deepStrictEqual(
    components.map(({ name, version }) => [name, version]),
    [
      ["zookeeper", zookeeper],
      ["kafka", kafka],
      ["server", packageJson.version],
      ["connect", connect],
      ["connector", null],
      ["metastore", `interface ${hive}.0`],
      ["postgres", null],
      ["minio", null],
      ["trino", trino]
    ]
  )
})

test("its figures are those of Kafka's and Trino's own tools, and a row is visible once it is counted", async () => {
  const city = `status ${randomUUID()}`
  const response = await fetch(`${server}/log?city=${encodeURIComponent(city)}&temperature=1`)
  const [, partition = 0, offset = 0] = (response.headers.get("floe-position") ?? "").split("/").map(Number)
  assert.strictEqual(response.status, 200)
  const isThere = async () => (await trino(`SELECT 1 FROM iceberg.default.weather WHERE city = '${city}'`)).length === 1

  const isCommitted = ({ table }: typeof Status.Type) =>
    (table?.positions.find((position) => position.partition === partition)?.offset ?? 0) > offset
  if (!(await isThere())) {
    const open = await status()
    // A commit may have happened in between.
    if (!(await isThere())) {
      assert.isFalse(isCommitted(open))
      assert.isAbove(open.lag.events ?? 0, 0)
      assert.isAbove(open.lag.seconds ?? 0, 0)
    }
  }
  await until("the position is committed", status, isCommitted, { seconds: 90 })
  assert.isTrue(await isThere())

  const [endsBefore, rowsBefore] = [await ends(), await rowsNow()]
  const { log, table, lag } = await status()
  const [endsAfter, rowsAfter] = [await ends(), await rowsNow()]
  assert.strictEqual(log.partitions.length, endsAfter.length)
  for (const { partition, end } of log.partitions) {
    assert.isAtLeast(end, endsBefore[partition] ?? 0)
    assert.isAtMost(end, endsAfter[partition] ?? 0)
  }
  assert.strictEqual(
    log.end,
    log.partitions.reduce((sum, { end }) => sum + end, 0)
  )
  if (table === null) return assert.fail("the table cannot be read")
  assert.isAtLeast(table.rows, rowsBefore)
  assert.isAtMost(table.rows, rowsAfter)
  assert.isAtMost(table.committed, log.end)
  assert.strictEqual(lag.events, log.end - table.committed)
  assert.isBelow(lag.seconds ?? Number.POSITIVE_INFINITY, 120)
  assert.isAtLeast(table.files, 1)
}, 240_000)

test("it is one screen of 80 columns and 24 lines", async () => {
  const line = "stty cols 80 rows 24; FLOE_PROFILE=distributed node bin/floe.js status"
  const output = await shell(`TERM=xterm NO_COLOR=1 script -qec '${line}' /dev/null </dev/null`)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences of a terminal begin with them
  const lines = output.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").split(/\r*\n/)
  assert.isAtMost(lines.length, 24)
  for (const line of lines) assert.isAtMost(line.slice(line.lastIndexOf("\r") + 1).length, 80, line)
  assert.include(output, "Floe, distributed profile")
  assert.match(output, /\n {2}committed {4}[\d,]+, from the control topic\r?\n/)
})

test("one that is not where it should be is named, and the rest is shown", async () => {
  const { code, out, err } = await asked([], { FLOE_TRINO_URL: "http://localhost:1999" })
  assert.strictEqual(code, 1)
  assert.strictEqual(err, "trino is down; run floe doctor to see what to do.\n")
  assert.match(out, /\n {2}trino +down +\d+ ms +nothing answers at http:\/\/localhost:1999 /)
  assert.match(out, /\n {2}kafka +up /)
  assert.match(out, /\n {2}log end +[\d,]+\n {2}committed +unknown\n/)
})

/** A proxy between the command and a component of the stack that the test can stop. */
const between = async (port: number) => {
  const sockets = new Set<Socket>()
  const proxy = createServer((socket) => {
    const behind = tcp(port, "localhost")
    for (const one of [socket, behind]) {
      sockets.add(one)
      one.on("close", () => sockets.delete(one))
      one.on("error", () => {})
    }
    socket.pipe(behind).pipe(socket)
  })
  const open = (at: number) => new Promise<void>((resolve) => proxy.listen(at, "127.0.0.1", resolve))
  await open(0)
  const address = proxy.address()
  const own = typeof address === "object" && address !== null ? address.port : 0
  const close = () =>
    new Promise<void>((resolve) => {
      proxy.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  return { port: own, close, open: () => open(own) }
}

test("--watch continues while a part is down, shows that it comes back, and ends with Ctrl-C", async () => {
  const proxy = await between(8080)
  try {
    await Effect.gen(function* () {
      const more = { ...env, FLOE_TRINO_URL: `http://127.0.0.1:${proxy.port}` }
      const watch = yield* startFloe(["status", "--watch", "--json"], more)
      const screens = () =>
        watch
          .output()
          .split("\n")
          .slice(0, -1)
          .map((line) => decode(line))
      const seen = (wanted: (screen: typeof Status.Type) => boolean) => {
        const before = screens().length
        return Effect.promise(() => watch.until(() => screens().slice(before).some(wanted)))
      }
      const isWell = (screen: typeof Status.Type) => stateOf(screen, "trino") === "up" && (screen.table?.rows ?? 0) > 0
      yield* seen(isWell)
      yield* Effect.promise(proxy.close)
      yield* seen(
        (screen) => stateOf(screen, "trino") === "down" && screen.table === null && screen.unread.table !== null
      )
      assert.isTrue(screens().every((screen) => stateOf(screen, "kafka") === "up"))
      yield* Effect.promise(proxy.open)
      yield* seen(isWell)
      const asked = performance.now()
      watch.signal("SIGINT")
      const { code } = yield* Effect.promise(() => watch.ended)
      assert.strictEqual(code, 130)
      assert.isBelow(performance.now() - asked, 8_000)
      // The output consists of screens only.
      assert.isAtLeast(screens().length, 3)
    }).pipe(Effect.scoped, Effect.runPromise)
  } finally {
    await proxy.close()
  }
})

const sql = (statement: string) =>
  docker("exec", "postgres", "bash", "-c", `psql -At -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "${statement}"`)

test("the metastore's locks are those that its database has", async () => {
  const ids = [990_001, 990_002]
  const locks = () =>
    Metastore.use((metastore) => metastore.locks).pipe(Effect.provide(MetastoreLayer.layer), Effect.runPromise)
  const remove = () => sql(`DELETE FROM hive_locks WHERE hl_lock_ext_id IN (${ids})`)
  await remove()
  try {
    // The metastore itself removes a lock with an old heartbeat.
    const now = Date.now()
    await sql(
      `INSERT INTO hive_locks (hl_lock_ext_id, hl_lock_int_id, hl_txnid, hl_db, hl_table, hl_lock_state, hl_lock_type, hl_last_heartbeat, hl_acquired_at, hl_user, hl_host) VALUES (990001, 1, 0, 'default', 'x_status', 'a', 'e', ${now}, ${now + 1}, 'x-user', 'x-host'), (990002, 1, 0, 'x_status', NULL, 'w', 'e', ${now}, NULL, 'x-user', 'x-host')`
    )
    const known = { user: "x-user", host: "x-host", heartbeatAt: now }
    assert.deepStrictEqual(
      (await locks()).filter(({ id }) => ids.includes(id)),
      [
        { id: 990_001, schema: "default", table: "x_status", state: "ACQUIRED", acquiredAt: now + 1, ...known },
        { id: 990_002, schema: "x_status", table: null, state: "WAITING", acquiredAt: null, ...known }
      ]
    )
  } finally {
    await remove()
  }
  assert.notIncludeMembers(
    (await locks()).map(({ id }) => id),
    ids
  )
})
