/** Streams and their events, generated together, and read back by two readers that do not know Floe. */
import { assert, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as fc from "fast-check"
import * as TableSpec from "../../../layers/table/schema/TableSpec.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import type { Column, ColumnType } from "../../../services/StreamDefinition.ts"
import { environment, maintainAll, openWriter } from "../../support/icebergTable.ts"
import { icebirdValues } from "../../support/icebirdReader.ts"
import { inOrder, plainRows } from "../../support/plainParquet.ts"
import { readTable } from "../../support/readTable.ts"
import { typedStream } from "../../support/typedEvents.ts"
import { applied, type Event } from "../../support/typedStream.ts"

/** The types whose values icebird gives without loss. */
const lossless: ReadonlyArray<string> = ["boolean", "int", "long", "double", "string", "json"]

/** icebird looks columns up by the names that Iceberg's Java library would give them in Parquet. */
const hasPlainNames = (columns: ReadonlyArray<ColumnType & { readonly name?: string }>): boolean =>
  columns.every((column) => {
    if (column.name !== undefined && !/^[a-z_]\w*$/i.test(column.name)) return false
    if (column.type === "struct") return hasPlainNames(column.fields)
    if (column.type === "list") return hasPlainNames([column.element])
    return column.type !== "map" || hasPlainNames([column.value])
  })

const shown = (value: unknown) => (value === undefined || value === null ? null : String(value))

const projected = (columns: ReadonlyArray<Column>, rows: ReadonlyArray<Event>) =>
  inOrder(rows.map((row) => columns.map(({ name }) => shown(Object.hasOwn(row, name) ? row[name] : null))))

const decodeEvent = (canonical: string): Event => JSON.parse(canonical)

const check = Effect.fnUntraced(function* (columns: ReadonlyArray<Column>, canonical: ReadonlyArray<string>) {
  const tableFolder = (yield* DataFolder).tableAt("any")
  const spec = TableSpec.make(applied("any", columns))
  const half = Math.ceil(canonical.length / 2)
  const write = Effect.gen(function* () {
    const writer = yield* openWriter({ tableFolder, spec })
    for (const piece of [canonical.slice(0, half), canonical.slice(half)]) {
      yield* writer.stage(piece)
      yield* writer.commit({ logId: "a-log", offset: piece.length })
    }
  })
  yield* Effect.scoped(write)
  const events = canonical.map(decodeEvent)
  const plain = columns.filter(({ type }) => lossless.includes(type))
  const verify = Effect.gen(function* () {
    const { files } = Option.getOrThrow(yield* readTable(tableFolder))
    const paths = files.map(({ path }) => path)
    assert.deepStrictEqual(inOrder(yield* plainRows(paths, columns)), inOrder(events))
    if (!hasPlainNames(columns)) return files.length
    assert.deepStrictEqual(projected(plain, yield* icebirdValues(tableFolder)), projected(plain, events))
    return files.length
  })
  yield* verify
  yield* Effect.scoped(Effect.flatMap(openWriter({ tableFolder, spec }), maintainAll))
  assert.strictEqual(yield* verify, 1)
})

it("any stream's events are in its table as they were staged, also after compaction", { timeout: 120_000 }, () =>
  fc.assert(
    fc.asyncProperty(
      typedStream.chain(({ columns, event }) =>
        fc.tuple(fc.constant(columns), fc.array(event, { minLength: 2, maxLength: 12 }))
      ),
      ([columns, events]) =>
        Effect.runPromise(
          check(
            columns,
            events.map(({ canonical }) => canonical ?? "{}")
          ).pipe(Effect.provide(environment))
        )
    ),
    { numRuns: 20 }
  )
)
