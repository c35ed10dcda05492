/** What the checks of a stream conclude on the distributed profile; the answers of Kafka and Trino are the test's. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { firstVersion } from "../../../layers/declaration/assignIds.ts"
import { nextVersion } from "../../../layers/declaration/compareStreams.ts"
import { unchangedNames } from "../../../layers/log/kafka/topicNames.ts"
import { connectorOfStream } from "../../../layers/operate/doctor/distributed/connector.ts"
import { tableOf } from "../../../layers/operate/doctor/distributed/streamTable.ts"
import { topicsOf } from "../../../layers/operate/doctor/distributed/streamTopics.ts"
import { halfDone } from "../../../layers/operate/doctor/halfDone.ts"
import * as IcebergSink from "../../../layers/sink/connect/icebergSink.ts"
import { DeadLetters } from "../../../services/DeadLetters.ts"
import { Query } from "../../../services/Query.ts"
import type { BegunStream, Column } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { type TopicDescription, Topics } from "../../../services/Topics.ts"
import { definition } from "../../log/streamsContract.ts"
import { type Columns, playedStack } from "../../sink/connect/playedStack.ts"

const column = (name: string, type: "int" | "string"): Column => ({ name, type, required: false })
const stream = { ...definition("readings").definition, key: "n", columns: [column("n", "int")] }
const first = firstVersion(stream, 0)
const second = nextVersion([first], { ...stream, columns: [...stream.columns, column("note", "string")] }, 0)

interface Kafka {
  readonly missing?: ReadonlyArray<string>
  readonly partitions?: Readonly<Record<string, number>>
  readonly ends?: Readonly<Record<string, number>>
  readonly expiring?: ReadonlyArray<string>
  readonly waiting?: Effect.Effect<number>
}

const topics = ({ missing = [], partitions = {}, ends = {}, expiring = [], waiting = Effect.never }: Kafka) =>
  topicsOf(first, "readings", 2).run.pipe(
    Effect.map((findings) => findings.map(({ finding, fix, warning }) => [finding, fix, warning ?? false])),
    Effect.provide(
      Layer.mergeAll(
        Layer.mock(Topics, {
          describe: (name) =>
            Effect.succeed(
              missing.includes(name)
                ? Option.none()
                : Option.some<TopicDescription>({
                    name,
                    id: "1",
                    partitions: Array.from(
                      { length: partitions[name] ?? (name === "readings" ? 2 : 1) },
                      (_, partition) => ({
                        partition,
                        replicas: 1,
                        start: 0,
                        end: ends[name] ?? 0
                      })
                    )
                  })
            ),
          retention: (name) =>
            Effect.succeedSome({
              cleanup: "delete",
              millis: expiring.includes(name) ? 604_800_000 : null,
              bytes: null
            })
        }),
        Layer.mock(DeadLetters, {
          now: () =>
            Effect.map(waiting, (waiting) => ({
              topic: "readings-dlq",
              topicId: "1",
              waiting,
              redriven: 1,
              letters: Stream.empty,
              find: () => Effect.die("not asked"),
              redrivesOf: () => Effect.succeed([])
            }))
        })
      )
    )
  )

describe("the topics of a stream", () => {
  it.effect("are well when they are there, keep everything, and hold no dead letter that was not sent again", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* topics({}), [])
      const redriven = yield* topics({ ends: { "readings-dlq": 2 }, waiting: Effect.succeed(0) })
      assert.deepStrictEqual(redriven, [])
    })
  )

  it.effect("are named when they are missing, or have the wrong number of partitions", () =>
    Effect.gen(function* () {
      const [[finding, fix] = [], ...rest] = yield* topics({ missing: ["readings-dlq"] })
      assert.strictEqual(finding, "There is no topic readings-dlq.")
      assert.match(String(fix), /^`floe streams apply` creates it again, empty\./)
      assert.lengthOf(rest, 0)
      const more = yield* topics({ partitions: { readings: 3, "control-iceberg-readings": 2 } })
      assert.deepStrictEqual(
        more.map(([finding, , warning]) => [finding, warning]),
        [
          ["The topic readings has 3 partitions, but FLOE_PARTITIONS is 2.", true],
          ["The topic control-iceberg-readings has 2 partitions, but should have 1.", false]
        ]
      )
    })
  )

  it.effect("are named when their records expire", () =>
    Effect.gen(function* () {
      const [[finding = ""] = []] = yield* topics({ expiring: ["readings"] })
      assert.match(String(finding), /readings.*7 days/)
    })
  )

  it.effect("have a warning while dead letters wait, or cannot be counted", () =>
    Effect.gen(function* () {
      const ends = { "readings-dlq": 4 }
      assert.deepStrictEqual(yield* topics({ ends, waiting: Effect.succeed(3) }), [
        [
          "The topic readings-dlq has 3 dead letters that nobody sent again.",
          "`floe dlq list --stream readings` shows why; `floe dlq redrive --stream readings` sends them again, corrected.",
          true
        ]
      ])
      const counting = yield* Effect.forkChild(topics({ ends }))
      yield* TestClock.adjust("5 seconds")
      const [[finding] = []] = yield* Fiber.join(counting)
      assert.strictEqual(
        finding,
        "The topic readings-dlq has dead letters, too many to count in 5 seconds how many were sent again."
      )
    })
  )
})

const table = (columns: Columns, { isChanging = false, logId = "topic" } = {}) => {
  const { layer } = playedStack({ columns })
  const query = Layer.effect(
    Query,
    Effect.map(Query, ({ execute }) => ({
      execute: (sql) =>
        sql.includes("$properties")
          ? Effect.succeed({ columns: [], rows: Stream.fromIterable([[logId]]) })
          : execute(sql)
    }))
  ).pipe(Layer.provide(layer))
  return tableOf(first, "warehouse", isChanging).run.pipe(
    Effect.map((findings) => findings.map(({ finding, fix }) => [finding, fix])),
    Effect.provide(Layer.merge(layer, query))
  )
}

describe("the table of a stream", () => {
  it.effect("is well with the stream's columns, and named with the statement that undoes what somebody altered", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* table([["n", "integer"]]), [])
      const [[finding, fix] = []] = yield* table([])
      assert.strictEqual(finding, "Somebody altered the table default.readings: it needs adding n.")
      assert.match(
        String(fix),
        /^`floe query 'ALTER TABLE iceberg.default."readings" ADD COLUMN IF NOT EXISTS "n" integer'` undoes that/
      )
      const [[other] = []] = yield* table([["n", "integer"]], { logId: "other" })
      assert.match(
        String(other),
        /^The topic readings \(id topic\) is not the one that .* \(id other\), which was deleted\.$/
      )
      const [[conflict, rebuild] = []] = yield* table([["n", "varchar"]])
      assert.match(String(conflict), /its column n is varchar instead of integer\.$/)
      assert.match(String(rebuild), /^`floe rebuild --stream readings --into readings_again --promote`/)
    })
  )

  it.effect("has a warning for columns of another program, and none of it while an apply changes it", () =>
    Effect.gen(function* () {
      const columns: Columns = [
        ["n", "integer"],
        ["theirs", "varchar"]
      ]
      const [[finding] = []] = yield* table(columns)
      assert.strictEqual(finding, "The table default.readings has columns that the stream does not have: theirs.")
      assert.deepStrictEqual(yield* table(columns, { isChanging: true }), [])
    })
  )
})

describe("a change that stopped half-way", () => {
  const changes = (columns: Columns, isRunning: boolean) =>
    Effect.gen(function* () {
      const { begin, record } = yield* Streams
      yield* record(first)
      yield* begin(second)
      return yield* halfDone({ names: ["readings"], isRunning: Effect.succeed(isRunning), needs: [] }).run
    }).pipe(Effect.provide(playedStack({ columns }).layer))

  it.effect("is named with what ends it, also where the stream left the declaration", () =>
    Effect.gen(function* () {
      const [bound] = yield* changes(
        [
          ["n", "integer"],
          ["note", "varchar"]
        ],
        false
      )
      assert.deepStrictEqual(bound, {
        finding: "A change of the stream readings to version 2 stopped after its table had it.",
        consequence: "The server accepts events of version 1.",
        fix: "`floe streams apply` completes it, if the declaration has the stream readings; put it back there if it is gone."
      })
      const [loose] = yield* changes([["n", "integer"]], false)
      assert.strictEqual(
        loose?.fix,
        "`floe streams apply` completes it, or drops it if the declaration does not have it any more."
      )
    })
  )

  it.effect("is completed first where the connector is stopped, and somebody who stopped it starts it", () =>
    Effect.gen(function* () {
      const settings = { topic: "weather", commitInterval: "10 seconds", replication: 1 } as const
      const fix = (change?: BegunStream) =>
        connectorOfStream("readings", settings, unchangedNames, [first], { change }).run.pipe(
          Effect.map((findings) => findings.map(({ fix }) => fix)),
          Effect.provide(
            playedStack({ state: "STOPPED", config: IcebergSink.configOf(settings, unchangedNames, [first]) }).layer
          )
        )
      const resume = "floe connector resume iceberg-sink-readings"
      assert.deepStrictEqual(yield* fix(), [resume])
      const completes = "`floe streams apply` completes the change of the stream"
      assert.deepStrictEqual(yield* fix({ ...second, isHeld: true }), [`${completes}, and starts it`])
      assert.deepStrictEqual(yield* fix(second), [`${completes}; then \`${resume}\` starts it`])
    })
  )

  it.effect("is only a warning while an apply runs", () =>
    Effect.gen(function* () {
      const [running] = yield* changes([["n", "integer"]], true)
      assert.deepInclude(running, { fix: "Wait until it ends.", warning: true })
    })
  )
})
