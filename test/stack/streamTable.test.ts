/** Tables of streams through Trino: created, compared, changed, with the sink's names and types. */
import { Effect, Option, Schema, Stream } from "effect"
import { afterAll, assert, beforeAll, test } from "vitest"
import { firstVersion, pathsOf } from "../../layers/declaration/assignIds.ts"
import { nextVersion } from "../../layers/declaration/compareStreams.ts"
import * as EvolveTable from "../../layers/table/trino/evolveTable.ts"
import * as QueryLayer from "../../layers/table/trino/Query.ts"
import * as StreamTable from "../../layers/table/trino/streamTable.ts"
import { Query } from "../../services/Query.ts"
import type { AppliedStream, StreamDefinition } from "../../services/StreamDefinition.ts"
import { edges, everyType } from "../support/someStreams.ts"
import { rowLiteral } from "../support/trinoLiteral.ts"
import { docker } from "./docker.ts"

const bucket = "warehouse"
const run = <A, E>(effect: Effect.Effect<A, E, Query>) => Effect.runPromise(Effect.provide(effect, QueryLayer.layer))
const sql = (statement: string) =>
  run(
    Query.use(({ execute }) => Effect.flatMap(execute(statement), ({ rows }) => Stream.runCollect(rows))).pipe(
      Effect.scoped
    )
  )
const quiet = () => Effect.void
const bringTo = (stream: AppliedStream) => run(EvolveTable.bringTo(stream, { bucket, logId: "a topic" }, quiet))
const compare = async (stream: AppliedStream) => Option.getOrThrow(await run(StreamTable.compare(stream, bucket)))

const names = ["trino_every", "trino_evolved", "trino_order"].map((name) => `${name}_${process.pid}`)
const [every = "", evolved = "", order = ""] = names
const drop = async () => {
  for (const name of names) await sql(`DROP TABLE IF EXISTS "${name}"`)
}
beforeAll(drop)
afterAll(drop)

const Metadata = Schema.fromJsonString(
  Schema.Struct({
    "last-column-id": Schema.Int,
    "current-schema-id": Schema.Int,
    schemas: Schema.Array(Schema.Struct({ "schema-id": Schema.Int, fields: Schema.Array(Schema.Json) }))
  })
)
const isObject = Schema.is(Schema.Record(Schema.String, Schema.Json))
const isArray = Schema.is(Schema.Array(Schema.Json))

/** The ids of fields as Iceberg's metadata nests them, by path in lower case. */
const nestedIds = (type: Schema.Json | undefined, path: string): Array<readonly [string, Schema.Json | undefined]> => {
  if (!isObject(type)) return []
  if (isArray(type.fields)) return fieldIds(type.fields, `${path}.`)
  if (type.type === "list") {
    return [[`${path}.element`, type["element-id"]], ...nestedIds(type.element, `${path}.element`)]
  }
  return [
    [`${path}.key`, type["key-id"]],
    [`${path}.value`, type["value-id"]],
    ...nestedIds(type.value, `${path}.value`)
  ]
}
const fieldIds = (fields: ReadonlyArray<Schema.Json>, prefix = ""): Array<readonly [string, Schema.Json | undefined]> =>
  fields.filter(isObject).flatMap(({ id, name, type }) => {
    const path = `${prefix}${String(name).toLowerCase()}`
    return [[path, id] as const, ...nestedIds(type, path)]
  })

/** From the table's newest metadata file. */
const idsOf = async (table: string) => {
  const [[file] = []] = await sql(`SELECT file FROM "${table}$metadata_log_entries" ORDER BY timestamp DESC LIMIT 1`)
  const text = await docker("exec", "minio", "mc", "cat", `myminio/${String(file).replace("s3a://", "")}`)
  const metadata = Schema.decodeUnknownSync(Metadata)(text)
  const schema = metadata.schemas.find((one) => one["schema-id"] === metadata["current-schema-id"])
  return { ids: Object.fromEntries(fieldIds(schema?.fields ?? [])), lastId: metadata["last-column-id"] }
}

const currentIds = ({ definition, ids }: AppliedStream) =>
  Object.fromEntries(pathsOf(definition.columns).map((path) => [path.toLowerCase(), ids[path]]))

test("given a stream of every type, when its table is created, then it has every value, and is found unchanged", async () => {
  const stream = firstVersion({ ...everyType, name: every }, 0)
  assert.strictEqual(await bringTo(stream), "created")
  assert.strictEqual(await bringTo(stream), "present")
  const { columns } = everyType
  await sql(`INSERT INTO "${every}" VALUES ${edges.map((event) => rowLiteral(columns, event)).join(",\n")}`)
  assert.deepStrictEqual(await sql(`SELECT count(*) FROM "${every}"`), [[String(edges.length)]])
  assert.deepStrictEqual(await compare(stream), { conflicts: [], foreign: [], steps: [] })
  assert.deepStrictEqual(await idsOf(every), { ids: currentIds(stream), lastId: stream.lastId })
  const properties = new Map(
    Schema.decodeUnknownSync(Schema.Array(Schema.Tuple([Schema.String, Schema.NullOr(Schema.String)])))(
      await sql(`SELECT key, value FROM "${every}$properties"`)
    )
  )
  assert.strictEqual(properties.get("floe.log.id"), "a topic")
  assert.strictEqual(properties.get("location"), `s3a://${bucket}/default/${every}`)
})

test("given names that SQL reserves, mixed case and all transforms, then the table is created, and is found unchanged", async () => {
  const definition: StreamDefinition = {
    name: order,
    doc: "What's sold",
    columns: [
      { name: "soldAt", required: true, type: "timestamptz", doc: "it's the time" },
      { name: "soldOn", required: true, type: "date" },
      { name: "select", required: false, type: "string" },
      { name: "n", required: false, type: "long" },
      { name: "until", required: false, type: "timestamp" },
      { name: "since", required: false, type: "timestamp" },
      { name: "until_hour", required: false, type: "int" },
      { name: "Place", required: false, type: "struct", fields: [{ name: "Lat", required: true, type: "double" }] }
    ],
    key: null,
    partitionBy: [
      { column: "soldAt", transform: "day" },
      { column: "soldOn", transform: "month" },
      { column: "until", transform: "hour" },
      { column: "since", transform: "year" },
      { column: "select", transform: "truncate", width: 3 },
      { column: "n", transform: "bucket", width: 16 },
      { column: "select", transform: "identity" }
    ]
  }
  const stream = firstVersion(definition, 0)
  assert.strictEqual(await bringTo(stream), "created")
  assert.deepStrictEqual(await compare(stream), { conflicts: [], foreign: [], steps: [] })
  const next = nextVersion(
    [stream],
    {
      ...definition,
      columns: definition.columns.map((column) =>
        column.name === "Place" && column.type === "struct"
          ? { ...column, fields: [...column.fields, { name: "altInM", required: false, type: "int" }] }
          : column
      )
    },
    0
  )
  assert.strictEqual(await bringTo(next), "changed")
  assert.strictEqual(await bringTo(next), "present")
})

const first: StreamDefinition = {
  name: evolved,
  columns: [
    { name: "old", required: false, type: "string" },
    { name: "sensor", required: true, type: "uuid" },
    { name: "n", required: true, type: "int" },
    { name: "f", required: false, type: "float" },
    { name: "price", required: false, type: "decimal(12,2)" },
    {
      name: "place",
      required: false,
      type: "struct",
      fields: [
        { name: "lat", required: true, type: "float" },
        { name: "gone", required: false, type: "int" }
      ]
    },
    {
      name: "items",
      required: false,
      type: "list",
      nullable: false,
      element: { type: "struct", fields: [{ name: "sku", required: true, type: "string" }] }
    }
  ],
  key: "sensor",
  partitionBy: [{ column: "sensor", transform: "bucket", width: 4 }]
}

const second: StreamDefinition = {
  ...first,
  columns: [
    { name: "device", required: true, type: "uuid", renamedFrom: "sensor", doc: "Which" },
    { name: "n", required: true, type: "long" },
    { name: "f", required: false, type: "double" },
    { name: "price", required: false, type: "decimal(14,2)" },
    {
      name: "place",
      required: false,
      type: "struct",
      fields: [
        { name: "lat", required: true, type: "double" },
        { name: "alt", required: false, type: "int" }
      ]
    },
    {
      name: "items",
      required: false,
      type: "list",
      nullable: false,
      element: {
        type: "struct",
        fields: [
          { name: "sku", required: true, type: "string" },
          { name: "note", required: false, type: "string" }
        ]
      }
    },
    { name: "fresh", required: false, type: "map", nullable: false, value: { type: "date" } }
  ],
  key: "device",
  partitionBy: [{ column: "device", transform: "bucket", width: 4 }]
}

test("given every change that is possible, stopped after each statement, then the same call completes it and old rows are read", async () => {
  const one = firstVersion(first, 0)
  const two = nextVersion([one], second, 0)
  await bringTo(one)
  const sensor = "8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2c"
  await sql(
    `INSERT INTO "${evolved}" VALUES ${rowLiteral(first.columns, { old: "x", sensor, n: 7, f: 0.5, price: "1.50", place: { lat: 1.5, gone: 3 }, items: [{ sku: "a" }] })}`
  )
  const planned = (await compare(two)).steps
  assert.isAtLeast(planned.length, 10)
  for (const [at, { statement }] of planned.entries()) {
    assert.deepStrictEqual(
      (await compare(two)).steps.map((step) => step.statement),
      planned.slice(at).map((step) => step.statement)
    )
    if (at === 6) break
    await sql(statement)
  }
  assert.strictEqual(await bringTo(two), "changed")
  assert.strictEqual(await bringTo(two), "present")
  assert.deepStrictEqual(await idsOf(evolved), { ids: currentIds(two), lastId: two.lastId })
  assert.deepStrictEqual(await sql(`SELECT * FROM "${evolved}"`), [
    [sensor, "7", 0.5, "1.50", { lat: 1.5, alt: null }, [{ sku: "a", note: null }], null]
  ])
})

test("given a table that somebody altered, then what was added stays, and what does not fit is refused", async () => {
  const two = nextVersion([firstVersion(first, 0)], second, 0)
  await sql(`ALTER TABLE "${evolved}" ADD COLUMN theirs varchar`)
  assert.deepStrictEqual(await compare(two), { conflicts: [], foreign: ["theirs"], steps: [] })
  assert.strictEqual(await bringTo(two), "present")
  await sql(`ALTER TABLE "${evolved}" DROP COLUMN n`)
  await sql(`ALTER TABLE "${evolved}" ADD COLUMN n varchar`)
  const error = await run(Effect.flip(EvolveTable.bringTo(two, { bucket }, quiet)))
  assert.strictEqual(
    error.message,
    `The table default.${evolved} does not fit: its column n is varchar instead of bigint. Nothing was changed; undo that in Trino, or move the table away (ALTER TABLE ${evolved} RENAME TO …) and run the command again.`
  )
})
