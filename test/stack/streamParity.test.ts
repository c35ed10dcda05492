/**
 * The values of parityValues.json in the distributed profile's tables: sent to the door, and written straight into the
 * topic by another producer. Trino must show each one as its canonical text says; everything else is a dead letter.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, test } from "vitest"
import { parityColumns, parityValues } from "../support/parity.ts"
import { floe } from "../support/program.ts"
import { docker, shell } from "./docker.ts"
import { removeStreams } from "./removedStreams.ts"
import { server, trinoJson, until } from "./weather.ts"

const sent = `x_sent_${process.pid}`
const written = `x_written_${process.pid}`
const folder = mkdtempSync(join(tmpdir(), "floe-parity-"))
const file = join(folder, "declared.json")

const text = (column: string) => `CAST("${column}" AS varchar)`
/** Each column as the text or the JSON that Trino itself makes of it. */
const shown: Readonly<Record<string, string>> = {
  b: "b",
  i: "i",
  l: text("l"),
  // As a real, Trino prints it with seven digits.
  f: "CAST(CAST(f AS double) AS varchar)",
  d: text("d"),
  dec: text("dec"),
  big: text("big"),
  s: "s",
  e: "e",
  day: text("day"),
  hour: text("hour"),
  local: text("local"),
  at: text("at"),
  u: text("u"),
  bin: "to_base64(bin)",
  j: "j",
  st: "IF(st IS NULL, NULL, json_format(CAST(CAST(ROW(st.x, st.y) AS ROW(x integer, y varchar)) AS JSON)))",
  z: `CAST(st.deep.z AS varchar)`,
  li: "json_format(CAST(li AS JSON))",
  ln: "json_format(CAST(ln AS JSON))",
  m: "json_format(CAST(transform_values(m, (k, v) -> CAST(v AS varchar)) AS JSON))",
  mn: "json_format(CAST(mn AS JSON))",
  ls: "json_format(CAST(transform(ls, r -> CAST(ROW(CAST(r.day AS varchar), transform(r.amounts, a -> CAST(a AS varchar))) AS ROW(day varchar, amounts array(varchar)))) AS JSON))"
}

const zoned = (value: string) => value.replace(" UTC", "Z").replace(" ", "T")
const withoutNulls = (value: object) => Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null))

/** The value of the column that is not null, as JSON.parse would read its canonical text. */
const valueOf = (row: Readonly<Record<string, unknown>>) => {
  const found = Object.entries(row).find(([name, value]) => name !== "id" && name !== "z" && value !== null)
  if (found === undefined) return undefined
  const [name, value] = found
  if (typeof value !== "string") return { [name]: value }
  switch (name) {
    case "f":
      return { f: Math.fround(Number(value)) }
    case "d":
      return { d: Number(value) }
    case "local":
    case "at":
      return { [name]: zoned(value) }
    case "st": {
      const struct = withoutNulls(JSON.parse(value))
      return { st: typeof row.z === "string" ? { ...struct, deep: { z: zoned(row.z) } } : struct }
    }
    case "ls":
      return { ls: JSON.parse(value).map(withoutNulls) }
    case "li":
    case "ln":
    case "m":
    case "mn":
      return { [name]: JSON.parse(value) }
    default:
      return { [name]: value }
  }
}

const rowsOf = async (stream: string) => {
  const columns = Object.entries(shown).map(([name, sql]) => `${sql} AS "${name}"`)
  const rows = await trinoJson(`SELECT id, ${columns.join(", ")} FROM iceberg.default.${stream} WHERE id >= 0`)
  return new Map(rows.map((row) => [Number(row.id), valueOf(row)]))
}

const countOf = async (stream: string) =>
  Number((await trinoJson(`SELECT count(*) AS n FROM iceberg.default.${stream} WHERE id >= 0`))[0]?.n)

const isLast = async (stream: string) =>
  (await trinoJson(`SELECT id FROM iceberg.default.${stream} WHERE id = -1`)).length > 0

const endOf = async (topic: string) =>
  Number(
    (await docker("exec", "kafka", "kafka-get-offsets", "--bootstrap-server", "localhost:9092", "--topic", topic))
      .trim()
      .split(":")[2]
  )

const post = (stream: string, body: string) =>
  fetch(`${server}/streams/${stream}/events`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body
  }).then(async (response) => {
    await response.text()
    return response.status
  })

beforeAll(async () => {
  const streams = [sent, written].map((name) => ({
    name,
    columns: [{ name: "id", type: "int", required: true }, ...parityColumns],
    key: null,
    partitionBy: []
  }))
  writeFileSync(file, JSON.stringify({ format: 1, streams }))
  const { code, out, err } = await Effect.runPromise(
    floe(["streams", "apply"], { FLOE_PROFILE: "distributed", FLOE_STREAMS: file })
  )
  assert.strictEqual(code, 0, `${out}${err}`)
  await until(
    "the streams served",
    () => Promise.all([sent, written].map(async (name) => (await fetch(`${server}/streams/${name}`)).status)),
    (statuses) => statuses.every((status) => status === 200),
    { seconds: 60 }
  )
}, 300_000)

afterAll(async () => {
  await removeStreams([sent, written])
  rmSync(folder, { recursive: true, force: true })
}, 120_000)

test("what the door takes is in the table as its canonical text says", { timeout: 300_000 }, async () => {
  for (const [id, value] of parityValues.entries()) {
    const status = await post(sent, `{"id":${id},"${value.column}":${value.sent}}`)
    assert.strictEqual(status, value.canonical === null ? 400 : 200, value.sent)
  }
  await post(sent, '{"id":-1}')
  await until("the last event in the table", () => isLast(sent), Boolean, { seconds: 180, every: 2_000 })
  const rows = await rowsOf(sent)
  for (const [id, { column, canonical, sent }] of parityValues.entries()) {
    assert.strictEqual(rows.has(id), canonical !== null, sent)
    const expected = canonical === null || canonical === "" ? undefined : { [column]: JSON.parse(canonical) }
    assert.deepStrictEqual(rows.get(id), expected, `${column}: ${sent}`)
  }
})

test("what another producer writes is in the table if it is canonical, and else a dead letter", {
  timeout: 300_000
}, async () => {
  const got = '"got":"2026-11-27T10:11:12.500000Z"'
  const lines = parityValues.map((value, id) => `{"id":${id},"${value.column}":${value.sent},${got}}`)
  writeFileSync(join(folder, "lines"), [...lines, `{"id":-1,${got}}`].map((line) => `${line}\n`).join(""))
  await shell(
    `docker exec -i kafka kafka-console-producer --bootstrap-server localhost:9092 --topic ${written} < ${join(folder, "lines")}`
  )
  await until("the last event in the table", () => isLast(written), Boolean, { seconds: 180, every: 2_000 })
  const rows = await rowsOf(written)
  for (const [id, { column, canonical, sent }] of parityValues.entries()) {
    if (canonical === sent) assert.isTrue(rows.has(id), `${column}: ${sent}`)
    // What a literal may be is a rule of the door.
    if ((canonical === null && !/^"/.test(column === "e" ? sent : "")) || canonical === "")
      assert.isFalse(rows.has(id), `${column}: ${sent}`)
    if (rows.has(id) && canonical !== null) {
      assert.deepStrictEqual(rows.get(id), { [column]: JSON.parse(canonical) }, `${column}: ${sent}`)
    }
  }
  assert.strictEqual((await countOf(written)) + (await endOf(`${written}-dlq`)), parityValues.length)
  const { out } = await Effect.runPromise(
    floe(["connector", "status", `iceberg-sink-${written}`], { FLOE_PROFILE: "distributed" })
  )
  assert.include(out, "task 0  RUNNING")
})
