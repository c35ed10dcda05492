/** `floe streams apply`, killed after each of its steps; judged by Trino, Kafka Connect and an event that becomes a row. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ConsumerGroupsLayer from "../../layers/log/kafka/ConsumerGroups.ts"
import { applyLock } from "../../layers/sink/connect/applyLock.ts"
import { ConsumerGroups } from "../../services/ConsumerGroups.ts"
import { temporaryFolder } from "../support/dataFolder.ts"
import { floe, result, run } from "../support/program.ts"
import { docker } from "./docker.ts"
import { written } from "./kafkaTopic.ts"
import { removeStreams } from "./removedStreams.ts"
import { server, trino, until } from "./weather.ts"

const env = { FLOE_PROFILE: "distributed", FLOE_COMMIT_INTERVAL: "1 second" }
const suffix = String(process.pid)
const nameOf = (step: string) => `apply_${step.replace(" ", "_")}_${suffix}`

const versions = [
  `id: Column.int, note: Schema.optionalKey(Schema.String)`,
  `id: Column.long, note: Schema.optionalKey(Schema.String), at: Schema.optionalKey(Column.timestamptz)`
]
const partition = `partitionBy: [Partition.bucket("id", 4)]`
const shown = (name: string, version: number) =>
  `CREATE TABLE iceberg.default.${name} (
${version === 1 ? "   id integer,\n   note varchar" : "   id bigint,\n   note varchar,\n   at timestamp(6) with time zone"}
)
WITH (
   format = 'PARQUET',
   format_version = 2,
   location = 's3a://warehouse/default/${name}',
   max_commit_retry = 4,
   partitioning = ARRAY['bucket(id, 4)']
)`

const declare = (folder: string, names: ReadonlyArray<string>, version: number) => {
  const file = join(folder, "floe.streams.ts")
  const streams = names.map(
    (name, i) =>
      `export const S${i} = Stream.make("${name}", { schema: Schema.Struct({ ${versions[version - 1]} }), ${partition} })`
  )
  writeFileSync(
    file,
    `import { Schema } from "effect"\nimport { Column, Partition, Stream } from "floe"\n${streams.join("\n")}\n`
  )
  return file
}

/** So that not each of many programs loads the module. */
const compiled = Effect.fnUntraced(function* (cwd: string) {
  const file = join(cwd, "compiled.json")
  const { code, err } = yield* floe(["streams", "compile", "--output", file], env, { cwd })
  assert.strictEqual(code, 0, err)
  return file
})

const apply = (cwd: string) => floe(["streams", "apply"], env, { cwd })

const killedAt = (file: string, name: string, step: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const program = yield* run(
        process.execPath,
        [join(import.meta.dirname, "applyingProcess.ts"), file, name, step],
        env
      )
      const { signal } = yield* Effect.promise(() => program.ended)
      const { out, err } = yield* result(program)
      assert.strictEqual(signal, "SIGKILL", `${step}: ${out}${err}`)
    })
  )

const createStatement = (name: string) =>
  Effect.map(
    Effect.promise(() => trino(`SHOW CREATE TABLE iceberg.default.${name}`)),
    ([[text = ""] = []]) => text.replaceAll("\\n", "\n")
  )

const connectorConfig = (name: string) =>
  Effect.promise(async (): Promise<Record<string, string>> => {
    const response = await fetch(`http://localhost:8083/connectors/iceberg-sink-${name}/config`)
    return JSON.parse(await response.text())
  })

const connectorStates = async (name: string) => {
  const response = await fetch(`http://localhost:8083/connectors/iceberg-sink-${name}/status`)
  const { connector, tasks } = JSON.parse(await response.text())
  return [connector.state, ...tasks.map(({ state }: { state: string }) => state)].join()
}

const produce = (name: string, event: string) =>
  Effect.runPromise(written(name, [{ value: Buffer.from(event), key: null }]))

/** The server follows a new version within seconds. */
const post = (name: string, event: unknown) =>
  until(
    `the server's answer for ${name}`,
    async () => {
      const response = await fetch(`${server}/streams/${name}/events`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify([event])
      })
      return `${response.status} ${await response.text()}`
    },
    (answer) => answer.startsWith("200 ")
  )

/** An event that is posted, and one of another producer in the canonical form of the version, become rows. */
const takes = (name: string, version: number) =>
  Effect.promise(async () => {
    await until(
      `the connector of ${name}`,
      () => connectorStates(name),
      (states) => states === "RUNNING,RUNNING"
    )
    const id = 10 + version
    await produce(name, version === 1 ? `{"id":${id}}` : `{"id":"${id}","at":"2026-11-27T10:11:12.000000Z"}`)
    const posted = 20 + version
    await post(name, version === 1 ? { id: posted } : { id: posted, at: "2026-11-27T11:11:12+01:00" })
    await until(
      `the events of ${name} in its table`,
      () => trino(`SELECT count(*) FROM iceberg.default.${name} WHERE id IN (${id}, ${posted})`),
      (rows) => rows[0]?.[0] === "2"
    )
  })

/** `steps` are those after which it died; the others are streams like any. */
const judged = (names: ReadonlyArray<string>, version: number, steps: ReadonlyArray<string>) =>
  Effect.forEach(
    names,
    Effect.fnUntraced(function* (name) {
      assert.strictEqual(yield* createStatement(name), shown(name, version))
      const columns = JSON.parse((yield* connectorConfig(name))["transforms.record.columns"] ?? "")
      assert.deepStrictEqual(
        columns.map((column: { name: string; type: string }) => `${column.name} ${column.type}`),
        version === 1 ? ["id int", "note string"] : ["id long", "note string", "at timestamptz"]
      )
      const described = yield* floe(["streams", "describe", name, "--json"], env)
      assert.strictEqual(JSON.parse(described.out).version, version, described.err)
      if (steps.map(nameOf).includes(name)) yield* takes(name, version)
    }),
    { concurrency: 4 }
  )

const removed = (names: ReadonlyArray<string>) => Effect.promise(() => removeStreams(names))

const creating = ["begin", "topic", "topics", "statement 1", "register"]
const changing = ["begin", "statement 1", "statement 2", "stop", "register", "resume"]

describe("apply on the stack", () => {
  it.live(
    "is completed by the same command, whatever step of a creation or of a change it died after",
    () =>
      Effect.gen(function* () {
        const cwd = yield* temporaryFolder
        const names = [...new Set([...creating, ...changing])].map(nameOf)
        yield* Effect.addFinalizer(() => removed(names))

        declare(cwd, names, 1)
        const first = yield* compiled(cwd)
        yield* Effect.forEach(creating, (step) => killedAt(first, nameOf(step), step), { concurrency: 2 })
        const begun = yield* floe(["streams", "plan"], env, { cwd })
        assert.strictEqual(begun.code, 0, begun.err)
        for (const step of ["begin", "topics"]) {
          assert.include(
            begun.out,
            `${nameOf(step)}: an earlier change to version 1 stopped before its table had any of it.`
          )
        }
        assert.include(begun.out, `${nameOf("register")}: an earlier change stopped after its table had it`)
        const doctor = yield* floe(["doctor", "--json"], env)
        assert.include(
          doctor.out,
          `A change of the stream ${nameOf("register")} to version 1 stopped after its table had it.`
        )
        const created = yield* apply(cwd)
        assert.strictEqual(created.code, 0, created.err)
        yield* judged(names, 1, creating)

        declare(cwd, names, 2)
        const second = yield* compiled(cwd)
        yield* Effect.forEach(changing, (step) => killedAt(second, nameOf(step), step), { concurrency: 3 })
        const half = yield* floe(["streams", "plan"], env, { cwd })
        assert.include(half.out, `${nameOf("statement 1")}: an earlier change stopped while its table was changed`)
        assert.include(half.out, `${nameOf("stop")}: an earlier change stopped after its table had it`)
        const changed = yield* apply(cwd)
        assert.strictEqual(changed.code, 0, changed.err)
        yield* judged(names, 2, changing)
        const nothing = yield* floe(["streams", "plan"], env, { cwd })
        assert.include(nothing.out, "Nothing to do")
      }),
    600_000
  )

  it.live(
    "writes the values of a renamed column, also of events that come after a change died half-way",
    () =>
      Effect.gen(function* () {
        const cwd = yield* temporaryFolder
        const name = nameOf("renamed")
        yield* Effect.addFinalizer(() => removed([name]))
        const file = join(cwd, "floe.streams.ts")
        const declared = (columns: string) =>
          writeFileSync(
            file,
            `import { Schema } from "effect"\nimport { Column, Stream } from "floe"\nexport const S = Stream.make("${name}", { schema: Schema.Struct({ id: Column.int, ${columns}\n`
          )
        declared(`sensor: Schema.optionalKey(Schema.String) }) })`)
        const created = yield* apply(cwd)
        assert.strictEqual(created.code, 0, created.err)
        yield* takes(name, 1)

        declared(`device: Schema.optionalKey(Schema.String) }), renames: { device: "sensor" } })`)
        yield* killedAt(file, name, "statement 1")
        assert.include(yield* createStatement(name), "device varchar")
        yield* Effect.promise(() => produce(name, `{"id":1,"sensor":"a"}`))
        assert.match(yield* Effect.promise(() => connectorStates(name)), /^STOPPED/)
        const changed = yield* apply(cwd)
        assert.strictEqual(changed.code, 0, changed.err)
        yield* Effect.promise(() => produce(name, `{"id":2,"device":"b"}`))
        yield* Effect.promise(() =>
          until(
            "both events in the table",
            () => trino(`SELECT id, device FROM iceberg.default.${name} WHERE id < 10 ORDER BY id`),
            (rows) =>
              JSON.stringify(rows) ===
              JSON.stringify([
                ["1", "a"],
                ["2", "b"]
              ])
          )
        )
      }),
    180_000
  )

  it.live(
    "starts the connector again that it stopped, where the declaration was put back, and leaves paused and stopped ones so",
    () =>
      Effect.gen(function* () {
        const cwd = yield* temporaryFolder
        const running = nameOf("back")
        const paused = nameOf("paused")
        const stopped = nameOf("stopped")
        yield* Effect.addFinalizer(() => removed([running, paused, stopped]))
        const file = join(cwd, "floe.streams.ts")
        const declared = (isRenamed: boolean) => {
          const column = isRenamed ? "device" : "sensor"
          const renames = isRenamed ? `, renames: { device: "sensor" }` : ""
          const streams = [running, paused, stopped].map(
            (name, i) =>
              `export const S${i} = Stream.make("${name}", { schema: Schema.Struct({ id: Column.int, ${column}: Schema.optionalKey(Schema.String) })${renames} })`
          )
          writeFileSync(
            file,
            `import { Schema } from "effect"\nimport { Column, Stream } from "floe"\n${streams.join("\n")}\n`
          )
        }
        declared(false)
        const created = yield* apply(cwd)
        assert.strictEqual(created.code, 0, created.err)
        yield* Effect.forEach([running, paused], (name) => takes(name, 1), { concurrency: 2 })
        yield* Effect.promise(async () => {
          await fetch(`http://localhost:8083/connectors/iceberg-sink-${paused}/pause`, { method: "PUT" })
          await until(
            "the paused connector",
            () => connectorStates(paused),
            (states) => states.startsWith("PAUSED")
          )
        })

        declared(true)
        yield* Effect.forEach([running, paused], (name) => killedAt(file, name, "stop"), { concurrency: 2 })
        yield* killedAt(file, stopped, "topics")
        for (const name of [running, paused]) {
          assert.match(yield* Effect.promise(() => connectorStates(name)), /^STOPPED/)
          assert.include(yield* createStatement(name), "sensor varchar")
        }
        declared(false)
        const ofStopped = `http://localhost:8083/connectors/iceberg-sink-${stopped}`
        yield* Effect.promise(async () => {
          await fetch(`${ofStopped}/stop`, { method: "PUT" })
          await until(
            "the stopped connector",
            () => connectorStates(stopped),
            (states) => states.startsWith("STOPPED")
          )
        })
        const back = yield* apply(cwd)
        assert.strictEqual(back.code, 0, back.err)
        assert.include(back.out, `${running}: its change to version 2 is not declared any more, and dropped`)
        assert.include(back.err, `The connector iceberg-sink-${stopped} was already stopped and stays so`)
        assert.match(yield* Effect.promise(() => connectorStates(stopped)), /^STOPPED/)
        yield* Effect.promise(() => fetch(`${ofStopped}/resume`, { method: "PUT" }))
        yield* Effect.promise(async () => {
          await until(
            "it runs",
            () => connectorStates(running),
            (states) => states === "RUNNING,RUNNING"
          )
          await until(
            "it is paused",
            () => connectorStates(paused),
            (states) => states.startsWith("PAUSED")
          )
          await produce(running, `{"id":1,"sensor":"a"}`)
          await until(
            "an event in the table",
            () => trino(`SELECT sensor FROM iceberg.default.${running} WHERE id = 1`),
            (rows) => rows[0]?.[0] === "a"
          )
        })

        declared(true)
        const changed = yield* apply(cwd)
        assert.strictEqual(changed.code, 0, changed.err)
        yield* Effect.promise(async () => {
          await until(
            "it is paused still",
            () => connectorStates(paused),
            (states) => states.startsWith("PAUSED")
          )
          assert.notProperty(await Effect.runPromise(connectorConfig(paused)), "floe.paused")
          await produce(paused, `{"id":2,"device":"b"}`)
          await fetch(`http://localhost:8083/connectors/iceberg-sink-${paused}/resume`, { method: "PUT" })
          await until(
            "its event in the table",
            () => trino(`SELECT device FROM iceberg.default.${paused} WHERE id = 2`),
            (rows) => rows[0]?.[0] === "b"
          )
        })
        const { checks } = JSON.parse((yield* floe(["doctor", "--json"], env)).out)
        const ofThese = checks.filter(({ name }: { name: string }) => name.includes(running) || name.includes(paused))
        for (const { findings, name } of ofThese) assert.deepStrictEqual(findings, [], name)
      }),
    300_000
  )

  it.live(
    "drops the creation of a stream that left the declaration, as plan says, and names the command that removes its topics",
    () =>
      Effect.gen(function* () {
        const cwd = yield* temporaryFolder
        const [kept, left] = [nameOf("kept"), nameOf("left")]
        yield* Effect.addFinalizer(() => removed([kept, left]))
        yield* killedAt(declare(cwd, [kept, left], 1), left, "topics")
        declare(cwd, [kept], 1)
        const names = [left, `${left}-dlq`, `control-iceberg-${left}`]
        const command = `docker exec kafka kafka-topics --bootstrap-server localhost:9092 --delete --topic ${names.join(",")}`
        const plan = yield* floe(["streams", "plan"], env, { cwd })
        assert.include(plan.out, `${left}: its creation stopped before it had a table, and it is not declared any more`)
        assert.include(plan.out, `remove them with ${command}\n`)
        const json = JSON.parse((yield* floe(["streams", "plan", "--json"], env, { cwd })).out)
        assert.deepInclude(
          json.map(({ action, stream }: { action: string; stream: string }) => ({ action, stream })),
          { action: "drop", stream: left }
        )
        const applied = yield* apply(cwd)
        assert.strictEqual(applied.code, 0, applied.err)
        assert.include(applied.out, `${left}: it is not declared any more, so its creation is dropped.`)
        assert.include(applied.out, `remove them with ${command}\n`)
        yield* Effect.promise(async () => {
          await docker(...command.split(" ").slice(1))
          await until(
            "its topics are gone",
            () => docker("exec", "kafka", "kafka-topics", "--bootstrap-server", "localhost:9092", "--list"),
            (topics) => !topics.includes(left)
          )
        })
        const nothing = yield* floe(["streams", "plan"], env, { cwd })
        assert.include(nothing.out, "Nothing to do")
      }),
    120_000
  )

  it.live(
    "refuses a second one at the same time, and a stream whose table somebody altered",
    () =>
      Effect.gen(function* () {
        const cwd = yield* temporaryFolder
        const name = nameOf("altered")
        yield* Effect.addFinalizer(() => removed([name]))
        declare(cwd, [name], 1)
        const created = yield* apply(cwd)
        assert.strictEqual(created.code, 0, created.err)

        const second = yield* Effect.scoped(
          Effect.gen(function* () {
            assert.isTrue(yield* (yield* ConsumerGroups).lock(applyLock))
            return yield* apply(cwd)
          })
        ).pipe(Effect.provide(ConsumerGroupsLayer.layer))
        assert.strictEqual(second.code, 1)
        assert.match(second.err, /^Another floe streams apply is running\. /)

        yield* Effect.promise(() => trino(`ALTER TABLE iceberg.default.${name} DROP COLUMN note`))
        declare(cwd, [name], 2)
        const refused = yield* apply(cwd)
        assert.strictEqual(refused.code, 1)
        assert.match(refused.err, new RegExp(`stream ${name}: somebody altered its table .*adding note`))
        const { checks } = JSON.parse((yield* floe(["doctor", "--json"], env)).out)
        const [finding] = checks.find((check: { name: string }) => check.name === `table of ${name}`).findings
        const statement = /`floe query '([^`]*)'`/.exec(finding.fix)?.[1] ?? ""
        yield* Effect.promise(() => trino(statement))
        const again = yield* apply(cwd)
        assert.strictEqual(again.code, 0, again.err)
      }),
    180_000
  )
})
