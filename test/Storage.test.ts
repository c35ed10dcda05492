import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Result, Stream } from "effect"
import * as StorageLayer from "../layers/embedded/Storage.ts"
import { parse } from "../layers/s3/ListPage.ts"
import { DataFolder } from "../services/DataFolder.ts"
import { Storage } from "../services/Storage.ts"
import { temporary } from "./dataFolder.ts"
import { filling, storageContract } from "./storageContract.ts"

const filled = Layer.effectDiscard(
  Effect.map(DataFolder, ({ warehouse }) => {
    for (const [path, bytes] of Object.entries(filling)) {
      mkdirSync(dirname(join(warehouse, path)), { recursive: true })
      writeFileSync(join(warehouse, path), "x".repeat(bytes))
    }
  })
)

storageContract("Storage in a local folder", StorageLayer.layer.pipe(Layer.provide(filled), Layer.provide(temporary)))

describe("Storage", () => {
  it.effect("without a warehouse it says what to do", () =>
    Effect.gen(function* () {
      const { warehouse } = yield* DataFolder
      const error = yield* Effect.flip(Stream.runDrain((yield* Storage).listAll("")))
      assert.strictEqual(
        error.message,
        `There is no warehouse ${warehouse}; start the sink (npm start) and log a record.`
      )
    }).pipe(Effect.provide(StorageLayer.layer.pipe(Layer.provideMerge(temporary))))
  )
})

it("reads a page of a listing as the object store writes it", () => {
  const page = `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>warehouse</Name><Prefix></Prefix>
<NextContinuationToken>a&amp;b&#34;[minio_cache:v2]</NextContinuationToken><KeyCount>2</KeyCount><IsTruncated>true</IsTruncated>
<Contents><Key>a+b%2Bc%26%C3%BC</Key><LastModified>2026-11-22T21:33:54.377Z</LastModified><ETag>&#34;x&#34;</ETag><Size>49</Size></Contents>
<CommonPrefixes><Prefix>default%2F</Prefix></CommonPrefixes><EncodingType>url</EncodingType></ListBucketResult>`
  assert.deepStrictEqual(Result.getOrThrow(parse(page)), {
    files: [{ path: "a b+c&ü", bytes: 49, modifiedAt: Date.UTC(2026, 10, 22, 21, 33, 54, 377) }],
    folders: ["default/"],
    next: Option.some('a&b"[minio_cache:v2]')
  })
  assert.isTrue(Result.isFailure(parse("<html>It works!</html>")))
  assert.isTrue(Result.isFailure(parse(page.replace("<Size>49</Size>", ""))))
})
