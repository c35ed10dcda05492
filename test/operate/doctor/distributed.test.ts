/** What the checks of the distributed profile conclude from the answers of Kafka, Connect, the metastore and Trino. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import * as MemoryLog from "../../../layers/log/memory/EventLog.ts"
import { clock } from "../../../layers/operate/doctor/clock.ts"
import { commits } from "../../../layers/operate/doctor/distributed/commits.ts"
import {
  connector as connectorCheck,
  differencesOf,
  reasonOf
} from "../../../layers/operate/doctor/distributed/connector.ts"
import { coordinators } from "../../../layers/operate/doctor/distributed/coordinators.ts"
import { locks } from "../../../layers/operate/doctor/distributed/locks.ts"
import { runChecks } from "../../../layers/operate/doctor/runChecks.ts"
import * as IcebergSink from "../../../layers/sink/connect/icebergSink.ts"
import { type Check, CheckFailed, type Finding } from "../../../services/Checks.ts"
import { Connector, type ConnectorConfig, sinkConnector } from "../../../services/Connector.ts"
import { ConsumerGroups, type GroupMember } from "../../../services/ConsumerGroups.ts"
import { EventLog } from "../../../services/EventLog.ts"
import { type HiveLock, Metastore } from "../../../services/Metastore.ts"
import { TableReader, type TableSnapshot } from "../../../services/TableReader.ts"
import { coordinator } from "../../../services/Topics.ts"
import { reading } from "../../support/weatherTable.ts"

const start = Date.UTC(2026, 0, 8, 14)
const seconds = (count: number) => count * 1_000

const finding = (finding: string): Finding => ({ finding, consequence: "It is bad.", fix: "Fix it." })
const texts = (findings: ReadonlyArray<Finding>) => findings.map(({ finding }) => finding)

const settings = { topic: "weather", commitInterval: "10 seconds", replication: 1 } as const
const wanted = IcebergSink.config(settings)

const connected = (
  config: ConnectorConfig,
  states: ReadonlyArray<string>,
  trace: string | null = null,
  others: ReadonlyArray<string> = []
) => {
  const [state = "RUNNING", ...tasks] = states
  const running = (state: string) => ({ state, worker: "connect:8083", trace: state === "FAILED" ? trace : null })
  return Layer.mock(Connector, {
    names: Effect.succeed([sinkConnector, ...others]),
    config: () => Effect.succeed({ ...config, name: sinkConnector }),
    status: (name) =>
      Effect.succeed({ name, connector: running(state), tasks: tasks.map((state, id) => ({ id, ...running(state) })) })
  })
}

const member = (clientId: string, host: string): GroupMember => ({
  id: clientId,
  clientId,
  host,
  partitions: new Map()
})
const group = (id: string, members: ReadonlyArray<GroupMember>) => ({ id, state: "Stable", members, offsets: [] })

/** The sink's coordinator with these members, beside other groups that read its topic. */
const coordinatedBy = (members: ReadonlyArray<GroupMember>, others: ReadonlyArray<string> = []) => {
  const own = group(coordinator, members)
  return Layer.mock(ConsumerGroups, {
    find: () => Effect.succeed(Option.some(own)),
    of: () => Effect.succeed([own, ...others.map((id) => group(id, [member("x", "10.0.0.9")]))])
  })
}

const tableAt = (snapshot: Pick<TableSnapshot, "committedAt" | "log"> | undefined) => {
  const counts = { rowsAdded: 0, rowsRemoved: 0, filesAdded: 0, filesRemoved: 0, rows: 0, files: 0, bytes: 0 }
  const whole = snapshot && { id: "1", parentId: null, operation: "append", ...counts, ...snapshot }
  return Layer.mock(TableReader, { current: Effect.succeed(Option.fromUndefinedOr(whole)) })
}

describe("running the checks", () => {
  it.effect("given one that fails, those that need it are skipped and name it, and the order stays", () =>
    Effect.gen(function* () {
      const ran: Array<string> = []
      const check = (name: string, needs: ReadonlyArray<string>, findings: ReadonlyArray<Finding> = []): Check => ({
        name,
        ok: `${name} is up.`,
        needs,
        run: Effect.sync(() => {
          ran.push(name)
          return findings
        })
      })
      const left: Array<number> = []
      const fiber = yield* Effect.forkChild(
        runChecks(
          [
            { name: "slow", ok: "It is quick.", run: Effect.never },
            check("kafka", [], [finding("Kafka is down.")]),
            check("topics", ["kafka"]),
            check("trino", []),
            check("commits", ["topics", "trino", "not there"]),
            {
              name: "broken",
              ok: "It is whole.",
              run: Effect.fail(new CheckFailed({ reason: "It broke.", cause: "test" }))
            }
          ],
          (names) => Effect.sync(() => left.push(names.size))
        )
      )
      yield* TestClock.adjust("15 seconds")
      const results = yield* Fiber.join(fiber)
      assert.deepStrictEqual(ran, ["kafka", "trino"])
      assert.deepStrictEqual(
        results.map(({ name, findings, waitsFor }) => [name, texts(findings), waitsFor]),
        [
          ["slow", ["It could not be checked: no answer within 15 seconds"], []],
          ["kafka", ["Kafka is down."], []],
          ["topics", [], ["kafka"]],
          ["trino", [], []],
          ["commits", [], ["kafka"]],
          ["broken", ["It could not be checked: It broke."], []]
        ]
      )
      assert.strictEqual(left.at(-1), 0)
    })
  )

  it.effect("no more run at once than Trino can answer in time, and the limit of each begins with it", () =>
    Effect.gen(function* () {
      let running = 0
      let most = 0
      const all = Array.from(
        { length: 80 },
        (_, i): Check => ({
          name: `table of s${i}`,
          ok: "It is there.",
          run: Effect.gen(function* () {
            most = Math.max(most, ++running)
            yield* Effect.sleep("10 seconds")
            running--
            return []
          })
        })
      )
      const fiber = yield* Effect.forkChild(runChecks(all, () => Effect.void))
      yield* TestClock.adjust("50 seconds")
      assert.deepStrictEqual(
        (yield* Fiber.join(fiber)).flatMap(({ findings }) => findings),
        []
      )
      assert.strictEqual(most, 16)
    })
  )
})

describe("connector", () => {
  const run = (connect: Layer.Layer<Connector>, members: ReadonlyArray<GroupMember>) =>
    Effect.provide(connectorCheck(settings).run, [connect, coordinatedBy(members)])
  const found = (config: ConnectorConfig, states: ReadonlyArray<string>, trace?: string) =>
    Effect.map(run(connected(config, states, trace), []), texts)

  it.effect("finds nothing where it runs, with whatever interval it commits", () =>
    Effect.gen(function* () {
      const slower = IcebergSink.config({ ...settings, commitInterval: "1 minute" })
      assert.deepStrictEqual(yield* found(slower, ["RUNNING", "RUNNING"]), [])
    })
  )

  it.effect("names the state that is not RUNNING, of the connector or of a task with its last cause", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* found(wanted, ["PAUSED", "PAUSED"]), ["The connector iceberg-sink is PAUSED."])
      assert.deepStrictEqual(yield* found(wanted, ["STOPPED"]), ["The connector iceberg-sink is STOPPED."])
      assert.deepStrictEqual(yield* found(wanted, ["RUNNING"]), ["The connector iceberg-sink has no task."])
      const trace =
        "ConnectException: It ended\n\tat a.b(C.java:1)\nCaused by: X: why\n\tat d\nCaused by: Y: really\n\t... 3 more"
      assert.deepStrictEqual(yield* found(wanted, ["RUNNING", "FAILED"], trace), [
        "Task 0 of the connector iceberg-sink has failed: ConnectException: It ended Caused by: Y: really"
      ])
      assert.strictEqual(reasonOf(null), "it gives no reason")
    })
  )

  it.effect("is not resumed beside a coordinator that outlived its task", () =>
    Effect.gen(function* () {
      const [found] = yield* run(connected(wanted, ["STOPPED"]), [member("a", "connect")])
      assert.match(found?.fix ?? "", /^`docker compose restart kafka-connect` .* `floe connector resume`\.$/)
    })
  )

  it.effect("names the rebuild that stopped it, and how to continue that", () =>
    Effect.gen(function* () {
      const found = (state: string, others: ReadonlyArray<string>) => run(connected(wanted, [state], null, others), [])
      const [stopped, ...more] = yield* found("STOPPED", ["other", "replay-again"])
      assert.deepStrictEqual(more, [])
      assert.match(
        stopped?.finding ?? "",
        /is STOPPED by floe rebuild --promote, which is still promoting again or was interrupted\.$/
      )
      assert.match(stopped?.fix ?? "", /^`floe rebuild --into again --promote` continues/)
      for (const findings of [yield* found("STOPPED", ["other"]), yield* found("PAUSED", ["replay-again"])]) {
        assert.deepStrictEqual(
          findings.map(({ fix }) => fix),
          ["floe connector resume"]
        )
      }
    })
  )

  it("names settings that differ, and no secret", () => {
    const { transforms: _, ...without } = wanted
    const found = { ...without, "tasks.max": "2", "iceberg.catalog.s3.secret-access-key": "hunter2", "my.own": "x" }
    assert.deepStrictEqual(differencesOf(found, wanted), [
      'tasks.max is "2", not "1"',
      'transforms is not set, not "weather"',
      "iceberg.catalog.s3.secret-access-key has another value",
      "my.own is set but should not be"
    ])
  })
})

describe("coordinators", () => {
  const found = (members: ReadonlyArray<GroupMember>, others: ReadonlyArray<string> = []) =>
    Effect.provide(coordinators.run, coordinatedBy(members, others))

  it.effect("are named where there are two, or another connector shares the topic", () =>
    Effect.gen(function* () {
      const one = member("a", "10.0.0.1")
      assert.deepStrictEqual(yield* found([]), [])
      assert.deepStrictEqual(yield* found([one], ["cg-control-1"]), [])
      assert.deepStrictEqual(texts(yield* found([one, member("b", "10.0.0.2")])), [
        "The group connect-iceberg-sink-coord has 2 members: a at 10.0.0.1, b at 10.0.0.2."
      ])
      const [shared] = yield* found([one], ["connect-other-coord"])
      assert.match(shared?.finding ?? "", /the one with the group connect-other-coord\.$/)
      assert.match(shared?.fix ?? "", /`floe connector delete other`$/)
    })
  )
})

describe("locks", () => {
  const lock: HiveLock = {
    id: 7,
    schema: "default",
    table: "weather",
    state: "ACQUIRED",
    acquiredAt: start,
    heartbeatAt: start,
    user: "connect",
    host: "worker"
  }

  it.effect("of the table are named once they have been silent for longer than a writer ever is", () =>
    Effect.gen(function* () {
      const all = [lock, { ...lock, id: 8, table: "other" }, { ...lock, id: 9, table: null, heartbeatAt: null }]
      const found = Effect.provide(locks.run, Layer.mock(Metastore, { locks: Effect.succeed(all) }))
      yield* TestClock.setTime(start + seconds(45))
      assert.deepStrictEqual(yield* found, [])
      yield* TestClock.setTime(start + seconds(46))
      const silent = yield* found
      assert.deepStrictEqual(
        texts(silent).map((text) => /^Lock (\d+) on (\S+) .* for 46 s/.exec(text)?.slice(1)),
        [
          ["7", "default.weather"],
          ["9", "default.*"]
        ]
      )
      assert.match(silent[0]?.fix ?? "", /WHERE hl_lock_ext_id = 7"`$/)
    })
  )
})

describe("what hangs on time", () => {
  /** Events 10 s apart, the first at `start`. */
  const logged = (count: number) =>
    Effect.gen(function* () {
      const log = yield* EventLog
      for (let i = 0; i < count; i++) {
        yield* TestClock.setTime(start + seconds(10 * i))
        yield* log.append({ records: [reading("Oslo", `${i}`, "2026-01-08-14")] })
      }
    })
  const at = (committed: number, offset?: number) =>
    tableAt({
      committedAt: start + seconds(committed),
      log: offset === undefined ? null : { logId: null, positions: [{ partition: 0, offset }] }
    })

  it.effect("commits: by the table's position, or else by the time of the last commit", () =>
    Effect.gen(function* () {
      yield* logged(10)
      const found = (table: Layer.Layer<TableReader>, now: number, commitLagLimit?: Duration.Duration) =>
        Effect.gen(function* () {
          yield* TestClock.setTime(start + seconds(now))
          return texts(
            yield* Effect.provide(commits(commitLagLimit).run, [connected(wanted, ["RUNNING", "RUNNING"]), table])
          )
        })
      assert.deepStrictEqual(yield* found(at(95, 10), 10_000), [])
      assert.deepStrictEqual(yield* found(at(50, 5), 110), [])
      assert.deepStrictEqual(yield* found(at(50, 5), 111), [
        "The connector is running but commits nothing: event 5 of partition 0 has been in the topic for 61 s; the last commit was 61 s ago; events not in the table: 5."
      ])
      assert.deepStrictEqual(yield* found(at(100, 5), 111), [
        "The sink commits but is behind: event 5 of partition 0 has been in the topic for 61 s; events not in the table: 5."
      ])
      assert.deepStrictEqual(yield* found(at(45), 111), [
        "The connector is running but commits nothing: event 5 of partition 0 has been in the topic for 61 s; the last commit was 66 s ago; events not in the table: 5."
      ])
      assert.deepStrictEqual(yield* found(at(95), 10_000), [])
      assert.match((yield* found(tableAt(undefined), 111))[0] ?? "", /^.*event 0 .*; there has never been a commit;/)
      assert.strictEqual((yield* found(at(50, 5), 70, Duration.seconds(15))).length, 1)
    }).pipe(Effect.provide(MemoryLog.layer))
  )

  it.effect("clock: nothing may have been logged or committed later than now", () =>
    Effect.gen(function* () {
      yield* logged(2)
      const nobody = new URL("http://127.0.0.1:1")
      const found = (table: Layer.Layer<TableReader>) => Effect.provide(clock(nobody).run, table)
      assert.deepStrictEqual(yield* found(at(10)), [])
      yield* TestClock.setTime(start - seconds(3_600))
      assert.deepStrictEqual(texts(yield* found(at(20))), [
        "The newest event was accepted 3,610 s later than this machine's clock shows now.",
        "The newest commit was made 3,620 s later than this machine's clock shows now."
      ])
    }).pipe(Effect.provide(MemoryLog.layer))
  )
})
