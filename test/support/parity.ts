/**
 * The values of parityValues.json, good and bad, over all types: what a client sends for a column, and the canonical text
 * that the log has for it (null if it is rejected, empty if the column is absent then). Written by hand from docs/streams.md.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { HttpServer } from "../../layers/ingest/http/HttpServer.ts"
import { EventLogReader } from "../../services/EventLog.ts"
import type { AppliedStream, Column } from "../../services/StreamDefinition.ts"

const Values = Schema.fromJsonString(
  Schema.Array(Schema.Struct({ column: Schema.String, sent: Schema.String, canonical: Schema.NullOr(Schema.String) }))
)

export const parityValues = Schema.decodeSync(Values)(
  readFileSync(join(import.meta.dirname, "parityValues.json"), "utf8")
)

const optional = { required: false } as const

/** One for each type. */
export const parityColumns: ReadonlyArray<Column> = [
  { name: "b", type: "boolean", ...optional },
  { name: "i", type: "int", ...optional },
  { name: "l", type: "long", ...optional },
  { name: "f", type: "float", ...optional },
  { name: "d", type: "double", ...optional },
  { name: "dec", type: "decimal(12,2)", ...optional },
  { name: "big", type: "decimal(38,10)", ...optional },
  { name: "s", type: "string", ...optional },
  { name: "e", type: "string", rules: { oneOf: ["a", "b"] }, ...optional },
  { name: "day", type: "date", ...optional },
  { name: "hour", type: "time", ...optional },
  { name: "local", type: "timestamp", ...optional },
  { name: "at", type: "timestamptz", ...optional },
  { name: "u", type: "uuid", ...optional },
  { name: "bin", type: "binary", ...optional },
  { name: "j", type: "json", ...optional },
  {
    name: "st",
    type: "struct",
    fields: [
      { name: "x", type: "int", required: true },
      { name: "y", type: "string", ...optional },
      { name: "deep", type: "struct", fields: [{ name: "z", type: "timestamptz", required: true }], ...optional }
    ],
    ...optional
  },
  { name: "li", type: "list", element: { type: "int" }, nullable: false, ...optional },
  { name: "ln", type: "list", element: { type: "string" }, nullable: true, ...optional },
  { name: "m", type: "map", value: { type: "long" }, nullable: false, ...optional },
  { name: "mn", type: "map", value: { type: "double" }, nullable: true, ...optional },
  {
    name: "ls",
    type: "list",
    nullable: false,
    element: {
      type: "struct",
      fields: [
        { name: "day", type: "date", required: true },
        { name: "amounts", type: "list", element: { type: "decimal(5,1)" }, nullable: false, ...optional }
      ]
    },
    ...optional
  },
  { name: "got", type: "accepted", ...optional }
]

/** A stream with a column of each type. */
export const parityStream = (name: string): AppliedStream => ({
  definition: { name, columns: parityColumns, key: null, partitionBy: [] },
  version: 1,
  ids: {},
  lastId: 0,
  appliedAt: 0
})

const got = /,?"got":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"\}$/

/** Sends each value alone, and compares the statuses and then the whole log with the list. */
export const assertParity = Effect.fnUntraced(function* (stream: string) {
  const { url } = yield* HttpServer
  const logged: Array<string> = []
  const different: Array<string> = []
  for (const { column, sent, canonical } of parityValues) {
    const body = `{"${column}":${sent}}`
    const headers = { "Content-Type": "application/json" }
    const target = new URL(`/streams/${stream}/events`, url)
    const { status } = yield* Effect.promise(async () => {
      const response = await fetch(target, { method: "POST", headers, body })
      await response.text()
      return response
    })
    if (status !== (canonical === null ? 400 : 200)) different.push(`${status} ${body}`)
    if (canonical !== null) logged.push(canonical === "" ? "{}" : `{"${column}":${canonical}}`)
  }
  assert.deepStrictEqual(different, [])
  const reader = (yield* EventLogReader).of(stream)
  const events = yield* Stream.runCollect(reader.read({ partition: 0, offset: 0 }, { until: "end" }))
  for (const { record } of events) assert.match(String(record), got)
  assert.deepStrictEqual(
    events.map(({ record }) => String(record).replace(got, "}")),
    logged
  )
})
