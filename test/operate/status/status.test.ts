import type { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Option, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import { collectStatus, type Status } from "../../../layers/cli/terminal/collectStatus.ts"
import { renderStatus } from "../../../layers/cli/terminal/renderStatus.ts"
import * as PostgreSQL from "../../../layers/operate/probes/postgresql.ts"
import * as ZooKeeper from "../../../layers/operate/probes/zookeeper.ts"
import { ofConnector } from "../../../layers/operate/status/connectorState.ts"
import * as ConnectSinks from "../../../layers/operate/status/connectSinks.ts"
import { ProcessorReports } from "../../../layers/process/ProcessorReports.ts"
import { addressOf } from "../../../layers/runtime/tcpExchange.ts"
import { type Component, Components } from "../../../services/Components.ts"
import { Connector, ConnectorMissing, type ConnectorStatus } from "../../../services/Connector.ts"
import { EventLogReader, LogUnavailable } from "../../../services/EventLog.ts"
import { Query } from "../../../services/Query.ts"
import { SinkCommits } from "../../../services/SinkCommits.ts"
import { StreamSinks } from "../../../services/StreamSinks.ts"
import { Streams } from "../../../services/Streams.ts"
import { TableReader, type TableSnapshot } from "../../../services/TableReader.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { listening } from "../../support/tcpService.ts"
import { applied } from "../../support/typedStream.ts"
import { weatherOnly } from "../../support/weatherOnly.ts"

const named = (name: string, of: Partial<Component> = {}): Component => ({
  name,
  state: "up",
  millis: 12.4,
  version: "3.5.2",
  detail: "http://localhost:8083",
  ...of
})

const names = ["server", "kafka", "zookeeper", "connect", "connector", "metastore", "postgres", "minio", "trino"]

const healthy: Status = {
  profile: "distributed",
  at: "2026-11-23T01:25:13.359Z",
  components: names.map((name) => named(name)),
  log: { id: "x", partitions: [{ partition: 0, start: 0, end: 12_345 }], end: 12_345 },
  table: {
    snapshot: "4348093340933311523",
    committedAt: "2026-11-23T01:25:03.000Z",
    committedSecondsAgo: 10.359,
    committed: 12_325,
    positions: [{ partition: 0, offset: 12_325 }],
    rows: 12_325,
    files: 321,
    bytes: 456_789
  },
  lag: { events: 20, seconds: 9.87 },
  unread: { log: null, table: null }
}

const shown = (status: Status, width = 80) => renderStatus(status, (_, text) => text, width)

const running = { state: "RUNNING", worker: "kafka-connect:8083", trace: null }
const trace = [
  "org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.",
  "\tat org.apache.kafka.connect.runtime.WorkerSinkTask.deliverMessages(WorkerSinkTask.java:632)",
  "Caused by: java.lang.IllegalStateException: it is closed",
  "\t... 10 more"
].join("\n")
const statusOf = (tasks: ReadonlyArray<string>, connector = "RUNNING"): ConnectorStatus => ({
  name: "iceberg-sink",
  connector: { ...running, state: connector },
  tasks: tasks.map((state, id) => ({ ...running, id, state, trace: state === "FAILED" ? trace : null }))
})

describe("the screen of status", () => {
  it("given that all is up, it fits into 80 columns and 24 lines", () => {
    const lines = shown(healthy).split("\n")
    assert.isAtMost(lines.length, 24)
    for (const line of lines) assert.isAtMost(line.length, 80)
    assert.include(lines, "  kafka     up          12 ms  3.5.2           http://localhost:8083")
    assert.deepStrictEqual(lines.slice(-7, -1), [
      "  log end      12,345",
      "  committed    12,325, from the control topic",
      "  lag          20 events, the oldest for 9.9 s",
      "  last commit  10 s ago, snapshot 4348093340933311523",
      "  rows         12,325",
      "  files        321 (446.1 KiB)"
    ])
  })

  it("given a control topic that does not record how far the table is, it shows that", () => {
    const { table } = healthy
    if (table === null) return assert.fail()
    const unknown = {
      ...healthy,
      table: { ...table, committed: null, positions: null },
      lag: { events: null, seconds: null }
    }
    assert.include(
      shown(unknown),
      "  committed    unknown from the control topic: 12,325 rows, newest snapshot 10 s old\n  lag          unknown\n"
    )
    const unread = { log: null, table: "No answer within 15 seconds." }
    assert.include(shown({ ...unknown, table: null, unread }), "  committed    unknown\n  lag          unknown\n")
    const empty = { ...healthy, table: null }
    assert.include(shown(empty), "  committed    nothing yet\n")
  })

  it("given a part that is down, it shows the whole reason within the terminal's width, and the connector's trace", () => {
    const detail =
      "nothing answers at localhost:9083 (nothing listens there); start it, or set FLOE_METASTORE_URI to its address"
    const metastore = named("metastore", { state: "down", version: null, detail })
    const connector = named("connector", { version: null, ...ofConnector(statusOf(["FAILED"])) })
    const screen = shown({ ...healthy, components: [metastore, connector] })
    for (const line of screen.split("\n")) assert.isAtMost(line.length, 80)
    assert.include(screen.replace(/\n {4}/g, " "), detail)
    assert.include(screen, "    Caused by: java.lang.IllegalStateException: it is closed\n")
    assert.notInclude(screen, "deliverMessages")
    const { tasks } = statusOf(["FAILED"])
    const second = { ...running, id: 1, state: "FAILED", trace: "SomeException: of the other task" }
    const both = ofConnector({ ...statusOf([]), tasks: [...tasks, second] })
    assert.include(
      shown({ ...healthy, components: [named("connector", both)] }),
      "\n    SomeException: of the other task\n"
    )
    assert.include(
      shown({ ...healthy, components: [metastore] }, Number.MAX_SAFE_INTEGER),
      `12 ms${" ".repeat(18)}${detail}\n`
    )
  })
})

describe("the connector as a component", () => {
  it("is up only if it and all its tasks run", () => {
    const stateOf = (status: ConnectorStatus) => {
      const { state, detail } = ofConnector(status)
      return [state, detail]
    }
    assert.deepStrictEqual(stateOf(statusOf(["RUNNING"])), ["up", "RUNNING, task 0 RUNNING"])
    assert.deepStrictEqual(stateOf(statusOf([])), ["starting", "RUNNING, no task yet"])
    assert.deepStrictEqual(stateOf(statusOf(["UNASSIGNED"])), ["starting", "RUNNING, task 0 UNASSIGNED"])
    assert.deepStrictEqual(stateOf(statusOf(["PAUSED"], "PAUSED")), ["paused", "PAUSED, task 0 PAUSED"])
    assert.deepStrictEqual(stateOf(statusOf([], "STOPPED")), ["paused", "STOPPED, no task yet"])
    assert.deepStrictEqual(stateOf(statusOf(["RUNNING", "FAILED"])), [
      "down",
      `RUNNING, task 0 RUNNING, task 1 FAILED: ${trace.split("\n")[0]}`
    ])
  })
})

const snapshot: TableSnapshot = {
  id: "7",
  parentId: null,
  committedAt: 0,
  operation: "append",
  rowsAdded: 1,
  rowsRemoved: 0,
  filesAdded: 1,
  filesRemoved: 0,
  rows: 5,
  files: 1,
  bytes: 100,
  log: null
}

/** A log of three partitions; event n was accepted in second n. */
const partitions = [
  { partition: 0, start: 0, end: 10 },
  { partition: 1, start: 3, end: 8 },
  { partition: 2, start: 0, end: 0 }
]

const looked = (current: Option.Option<TableSnapshot>, log: Partial<EventLogReader["Service"]> = {}) =>
  collectStatus.pipe(
    Effect.provide(
      Layer.mergeAll(
        Layer.succeed(Components, Components.of({ probe: Effect.succeed([]) })),
        ProcessorReports.none,
        weatherOnly,
        StreamSinks.weatherOnly,
        Layer.mock(TableReader, { current: Effect.succeed(current) }),
        Layer.mock(EventLogReader, {
          bounds: Effect.succeed({ logId: "x", partitions }),
          read: ({ partition, offset }) =>
            Stream.make({
              position: { partition, offset },
              record: { city: "Oslo", temperature: "1", ts: "2026-01-08-14" },
              acceptedAt: offset * 1000
            }),
          of: () => assert.fail("no other stream is read"),
          ...log
        })
      )
    )
  )

describe("collecting the status", () => {
  const at = (...offsets: ReadonlyArray<number>) =>
    Option.some({
      ...snapshot,
      log: { logId: null, positions: offsets.map((offset, partition) => ({ partition, offset })) }
    })

  it.effect(
    "given several partitions, the lag is their sum, and its age that of the oldest event not in the table",
    () =>
      Effect.gen(function* () {
        yield* TestClock.adjust("20 seconds")
        const behind = yield* looked(at(9, 6, 0))
        assert.deepStrictEqual([behind.log?.end, behind.table?.committed], [18, 15])
        assert.deepStrictEqual(behind.lag, { events: 3, seconds: 14 })
        assert.deepStrictEqual((yield* looked(at(10, 8, 0))).lag, { events: 0, seconds: 0 })
        // What was before the log's start has expired, and a partition that was added has nothing in the table.
        assert.deepStrictEqual((yield* looked(at(10, 0))).lag, { events: 5, seconds: 17 })
        assert.deepStrictEqual((yield* looked(Option.none())).lag, { events: 15, seconds: 20 })
        // A log that ends before what is in the table is another one.
        assert.deepStrictEqual((yield* looked(at(11, 6, 0))).lag, { events: null, seconds: null })
      })
  )

  it.effect("given a table or a log that cannot be read, the lag is unknown and the reason is reported", () =>
    Effect.gen(function* () {
      const untold = yield* looked(Option.some(snapshot))
      assert.deepStrictEqual([untold.lag, untold.table?.rows], [{ events: null, seconds: null }, 5])
      const unreadable = LogUnavailable.because("bounds", "it is away", "x")
      const away = yield* looked(at(9, 6, 0), { bounds: Effect.fail(unreadable) })
      assert.deepStrictEqual([away.log, away.lag.events, away.unread.log], [null, null, unreadable.message])
    })
  )
})

describe("ZooKeeper", () => {
  const answered = (...pieces: ReadonlyArray<string>) =>
    Effect.map(
      listening((_, socket) => {
        for (const [i, piece] of pieces.entries()) setTimeout(() => socket.write(piece), i * 20)
      }),
      ({ place }) => addressOf(place)
    )

  it.live("given its answer to srvr, it reports its version or why it serves no requests", () =>
    Effect.gen(function* () {
      const line = "Zookeeper version: 3.6.3--6401e4ad, built on 04/08/2021 16:35 GMT\nLatency min/avg/max: 0/0/0\n"
      const address = yield* answered(line.slice(0, 10), line.slice(10, 24), line.slice(24))
      assert.strictEqual(yield* ZooKeeper.version(address), "3.6.3")
      const closed = yield* answered("srvr is not executed because it is not in the whitelist.\n")
      assert.isNull(yield* ZooKeeper.version(closed))
      const lonely = yield* answered("This ZooKeeper instance is not currently serving requests\n")
      assert.include((yield* Effect.flip(ZooKeeper.version(lonely))).message, "serves no requests")
      const foreign = yield* answered("HTTP/1.1 400 Bad Request\r\n")
      assert.match(
        (yield* Effect.flip(ZooKeeper.version(foreign))).message,
        /sent an invalid response \(it is not ZooKeeper's\)/
      )
    }).pipe(Effect.scoped)
  )
})

describe("PostgreSQL", () => {
  const login = { user: "hive", password: Redacted.make("secret"), database: "hive" }

  /** ErrorResponse of its protocol. */
  const errorResponse = (code: string) => {
    const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0Mno\0\0`)
    const length = Buffer.alloc(4)
    length.writeInt32BE(4 + fields.length)
    return Buffer.concat([Buffer.from("E"), length, fields])
  }
  const answeredWith = Effect.fnUntraced(function* (code: string) {
    const { place } = yield* listening((_, socket) => socket.write(errorResponse(code)))
    return yield* PostgreSQL.answers(addressOf(place), login)
  }, Effect.scoped)

  it.effect("given an error of its own, it is up", () => answeredWith("53300"))

  it.effect("given a rejected password or user, that is the failure", () =>
    Effect.gen(function* () {
      for (const code of ["28P01", "28000"]) {
        const error = yield* Effect.flip(answeredWith(code))
        assert.strictEqual(error._tag, "PasswordRejected")
        assert.strictEqual(error.message, "it rejects the password of the user hive, which the metastore needs")
      }
    })
  )

  it.effect("given nothing, something else, or silence at its address, it is not there", () =>
    Effect.gen(function* () {
      const others = [
        (socket: Socket) => socket.write("HTTP/1.1 400 Bad Request\r\n"),
        (socket: Socket) => socket.end(),
        () => {}
      ]
      for (const other of others) {
        const arrived = yield* Deferred.make<void>()
        const { place } = yield* listening((_, socket) => {
          other(socket)
          Deferred.doneUnsafe(arrived, Effect.void)
        })
        const fiber = yield* Effect.forkChild(Effect.flip(PostgreSQL.answers(addressOf(place), login)))
        yield* Deferred.await(arrived)
        yield* TestClock.adjust("3 seconds")
        const { message } = yield* Fiber.join(fiber)
        assert.strictEqual(message, `${place} did not answer as a PostgreSQL server within 3 seconds.`)
      }
      const gone = yield* listening(() => {})
      gone.close()
      const { message } = yield* Effect.flip(PostgreSQL.answers(addressOf(gone.place), login))
      assert.strictEqual(message, `nothing answers at ${gone.place} (nothing listens there).`)
    }).pipe(Effect.scoped)
  )
})

describe("the streams of the status", () => {
  const connected = (states: Readonly<Record<string, string>>) =>
    Effect.gen(function* () {
      const { failures, paused } = yield* StreamSinks
      return { failures: [...(yield* failures)], paused: yield* paused }
    }).pipe(
      Effect.provide(
        ConnectSinks.layer.pipe(
          Layer.provide([
            Layer.mock(Streams, {
              all: Effect.succeed([weatherStream, ...["clicks", "orders", "visits"].map((name) => applied(name, []))])
            }),
            Layer.mock(Connector, {
              status: (name) => {
                const state = states[name]
                return state === undefined
                  ? Effect.fail(new ConnectorMissing({ name }))
                  : Effect.succeed({ ...statusOf([state], state === "PAUSED" ? state : "RUNNING"), name })
              }
            }),
            Layer.mock(Query, {}),
            Layer.mock(SinkCommits, {})
          ])
        )
      )
    )

  it.effect("say of each connector that is missing or failed what to do, and which are paused", () =>
    Effect.gen(function* () {
      const { failures, paused } = yield* connected({
        "iceberg-sink-orders": "FAILED",
        "iceberg-sink-visits": "PAUSED"
      })
      assert.deepStrictEqual(paused, ["visits"])
      assert.deepStrictEqual(failures[0], [
        "clicks",
        { reason: "There is no connector iceberg-sink-clicks; floe streams apply registers it." }
      ])
      assert.strictEqual(failures[1]?.[0], "orders")
      assert.match(failures[1]?.[1].reason ?? "", /^The connector iceberg-sink-orders has failed: /)
      assert.lengthOf(failures, 2)
    })
  )

  it("show a table whose files cannot be merged with its position, and the reason behind", () => {
    const { components, at, profile, ...rest } = healthy
    const stream = { ...rest, name: "clicks", paused: false, failed: null, unmaintained: null }
    assert.include(
      shown({ ...healthy, streams: [stream] }),
      "clicks       log end 12,345, lag 20 events, the oldest for 9.9 s, 12,325 rows"
    )
    const reason = "A file is missing. Events are still committed, but files are not merged."
    assert.include(shown({ ...healthy, streams: [{ ...stream, unmaintained: reason }] }), `12,325 rows. ${reason}`)
    assert.include(
      shown({ ...healthy, streams: [{ ...stream, failed: "It is broken." }] }),
      "clicks       It is broken."
    )
  })
})
