/** What other engines write is read exactly, and what Floe writes again of it is the same. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import fc from "fast-check"
import * as ExactJson from "../../../layers/table/iceberg/exactJson.ts"
import * as LogProgress from "../../../layers/table/iceberg/logProgress.ts"
import * as Metadata from "../../../layers/table/iceberg/Metadata.ts"
import { readMetadata } from "../../../layers/table/iceberg/MetadataFiles.ts"
import * as manifestCodec from "../../../layers/table/iceberg/manifestCodec.ts"
import { readEntries } from "../../../layers/table/iceberg/readManifests.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { environment, readAvro } from "../../support/icebergTable.ts"
import { newestRecorded, placeRecorded, recordedFolder, recordedLocation } from "../../support/recorded.ts"

const metadataFolder = join(recordedFolder, "metadata")
const newestText = readFileSync(join(metadataFolder, newestRecorded), "utf8")

/** JSON with each number as it is written: what must not change. */
const withSources = (text: string): unknown =>
  JSON.parse(text, (_: string, value: unknown, ...[context]: ReadonlyArray<{ readonly source?: string }>) =>
    typeof value === "number" ? `number ${context?.source}` : value
  )

const namedLike = (pattern: RegExp) => readdirSync(metadataFolder).filter((name) => pattern.test(name))

describe("numbers", () => {
  it("of any size and form are written back as they were read", () => {
    const number = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.constantFrom("1.0", "1E2", "-0", "-0.0", "1e400", "0.1000")
    )
    const key = fc.constantFrom("snapshot-id", "parent-snapshot-id", "x", "sequence-number")
    fc.assert(
      fc.property(fc.array(fc.tuple(key, number)), (fields) => {
        const text = `[${fields.map(([name, digits]) => `{"${name}":${digits}}`).join(",")}]`
        assert.strictEqual(ExactJson.stringify(ExactJson.parse(text)), text)
      })
    )
  })

  it("of snapshots are bigints, whatever their size", () => {
    const metadata = Metadata.decode(newestText)
    const written = [...newestText.matchAll(/"snapshot-id":(\d+),"(?:parent|timestamp-ms)/g)].map(([, id]) => id)
    assert.deepStrictEqual(
      metadata.snapshots.map((snapshot) => String(snapshot["snapshot-id"])),
      written
    )
    assert.isTrue(metadata.snapshots.every((snapshot) => typeof snapshot["snapshot-id"] === "bigint"))
    assert.isTrue(written.some((id) => !Number.isSafeInteger(Number(id))))
  })
})

describe("metadata of another engine", () => {
  it("are written back as they were read", () => {
    assert.deepStrictEqual(withSources(Metadata.encode(Metadata.decode(newestText))), withSources(newestText))
  })

  it("may have unknown fields and lack optional ones", () => {
    const { refs, "snapshot-log": log, "metadata-log": metadataLog, ...some } = JSON.parse(newestText)
    const more = JSON.stringify({
      ...some,
      snapshots: some.snapshots.map(
        ({ summary, "schema-id": schema, ...snapshot }: Record<string, unknown>) => snapshot
      ),
      schemas: [
        ...some.schemas,
        {
          type: "struct",
          "schema-id": 1,
          "identifier-field-ids": [],
          fields: [
            {
              id: 4,
              name: "more",
              required: false,
              doc: "a list",
              type: { type: "list", "element-id": 5, element: "int", "element-required": false }
            }
          ]
        }
      ],
      statistics: [{ "snapshot-id": 1234567, "statistics-path": "/x", "blob-metadata": [{ n: 1 }] }],
      "later-key": { deep: [1, { er: null }] }
    }).replace("1234567", "4695896948513303399")
    const decoded = Metadata.decode(more)
    assert.deepStrictEqual([decoded["snapshot-log"], decoded["metadata-log"], decoded.refs], [[], [], {}])
    const empty = { refs: {}, "snapshot-log": [], "metadata-log": [] }
    assert.deepStrictEqual(withSources(Metadata.encode(decoded)), { ...empty, ...Object(withSources(more)) })
    assert.deepStrictEqual(
      decoded.snapshots.map((snapshot) => [Metadata.operationOf(snapshot), Metadata.progressOf(snapshot)]),
      decoded.snapshots.map(() => ["unknown", undefined])
    )
  })
})

describe("manifests of another engine", () => {
  it("are written back as they were read, with their own Avro schema", () => {
    const names = namedLike(/-m\d+\.avro$/)
    assert.isAtLeast(names.length, 4)
    for (const name of names) {
      const bytes = readFileSync(join(metadataFolder, name))
      const { entries, form } = manifestCodec.decodeEntries(bytes)
      const again = join(metadataFolder, "..", "..", "..", `again-${name}`)
      writeFileSync(again, manifestCodec.encodeEntries(entries, form))
      try {
        const before = readAvro(join(metadataFolder, name))
        const after = readAvro(again)
        assert.deepStrictEqual(after.records, before.records)
        assert.deepStrictEqual({ ...after.header, "avro.codec": "" }, { ...before.header, "avro.codec": "" })
      } finally {
        rmSync(again)
      }
    }
  })

  it("are listed in order in a manifest list that Floe writes", () => {
    for (const name of namedLike(/^snap-.*\.avro$/)) {
      const manifests = manifestCodec.decodeList(readFileSync(join(metadataFolder, name)))
      const again = join(metadataFolder, "..", "..", "..", `again-${name}`)
      writeFileSync(again, manifestCodec.encodeList({ id: 1n, parent: undefined, sequenceNumber: 1 }, manifests))
      try {
        const before = readAvro(join(metadataFolder, name)).records
        assert.deepStrictEqual(
          readAvro(again).records,
          before.map((record) => ({ key_metadata: undefined, ...record }))
        )
        const ids = [
          ...JSON.stringify(before, (_, value) => (typeof value === "bigint" ? String(value) : value)).matchAll(
            /"added_snapshot_id":"?(\d+)/g
          )
        ].map(([, id]) => id)
        assert.deepStrictEqual(
          manifests.map((manifest) => String(manifest.added_snapshot_id)),
          ids
        )
      } finally {
        rmSync(again)
      }
    }
  })
})

layer(environment)("a table that Spark wrote to", (it) => {
  it.effect("is read with its deletes, even after it was moved", () =>
    Effect.gen(function* () {
      const { table } = yield* DataFolder
      placeRecorded(table)
      const current = Option.getOrThrow(yield* readMetadata(table))
      assert.deepStrictEqual([current.version, current.metadata.location, current.torn], [6, recordedLocation, []])
      const entries = yield* readEntries(table, current)
      assert.deepStrictEqual(
        entries
          .map(({ entry: { data_file } }) => [data_file.content, data_file.partition.ts, data_file.record_count])
          .sort(),
        [
          [0, "2026-01-08-14", 1],
          [0, "2026-01-08-14", 4],
          [0, "2026-01-08-15", 3],
          [1, "2026-01-08-14", 1]
        ]
      )
      assert.isTrue(entries.every(({ path }) => path.startsWith(`${table}/data/`)))
      assert.deepStrictEqual(
        LogProgress.at(current.metadata, current.snapshot),
        Option.some({ logId: "a-log", offset: 7 })
      )
    })
  )

  it.effect("is read from compressed metadata, under each of their names", () =>
    Effect.gen(function* () {
      const { table } = yield* DataFolder
      const plain = join(table, "metadata", newestRecorded)
      const before = Option.getOrThrow(yield* readMetadata(table))
      for (const name of ["v6.gz.metadata.json", "v6.metadata.json.gz"]) {
        rmSync(plain, { force: true })
        writeFileSync(join(table, "metadata", name), gzipSync(newestText))
        const read = Option.getOrThrow(yield* readMetadata(table))
        assert.deepStrictEqual(read, { ...before, name, identity: read.identity })
        rmSync(join(table, "metadata", name))
      }
      writeFileSync(plain, newestText)
    })
  )

  it.effect("of another format version fails with one sentence", () =>
    Effect.gen(function* () {
      const { root } = yield* DataFolder
      const table = join(root, "third")
      mkdirSync(join(table, "metadata"), { recursive: true })
      const file = join(table, "metadata", "v9.metadata.json")
      writeFileSync(file, newestText.replace('"format-version":2', '"format-version":3'))
      const error = yield* Effect.flip(readMetadata(table))
      assert.strictEqual(
        error.message,
        `The table cannot be used: ${file} has Iceberg format version 3; Floe reads version 2.`
      )
    })
  )
})
