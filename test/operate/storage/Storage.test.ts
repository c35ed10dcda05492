import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Deferred, Effect, Fiber, Layer, Option, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as StorageLayer from "../../../layers/operate/storage/folder.ts"
import { parse } from "../../../layers/operate/storage/listPage.ts"
import * as ObjectStore from "../../../layers/operate/storage/s3.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Storage } from "../../../services/Storage.ts"
import { temporary } from "../../support/dataFolder.ts"
import { serving } from "../../support/httpService.ts"
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
  it.effect("given no warehouse, the error gives advice", () =>
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

describe("an object store", () => {
  const failure = (settings: Record<string, string>) =>
    Stream.runDrain(Stream.unwrap(Storage.useSync((storage) => storage.list("")))).pipe(
      Effect.provide(
        ObjectStore.layer.pipe(
          Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown(settings), { asPrimary: true }))
        )
      ),
      Effect.flip
    )

  it.effect("given one that rejects the request, its own message is quoted", () =>
    Effect.gen(function* () {
      const { base } = yield* serving(() => ({
        status: 400,
        body: "<Error><Code>InvalidArgument</Code><Message>S3 API Requests must be made to API port.</Message></Error>"
      }))
      const error = yield* failure({ FLOE_S3_ENDPOINT: base })
      assert.strictEqual(error._tag, "StorageRefused")
      assert.include(error.message, "InvalidArgument: S3 API Requests must be made to API port; check FLOE_S3_ENDPOINT")
    })
  )

  it.effect("given one that hangs, the call fails", () =>
    Effect.gen(function* () {
      const arrived = yield* Deferred.make<void>()
      const { base } = yield* serving(() => void Deferred.doneUnsafe(arrived, Effect.void))
      const fiber = yield* Effect.forkChild(failure({ FLOE_S3_ENDPOINT: base }))
      yield* Deferred.await(arrived)
      yield* TestClock.adjust("30 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "StorageUnavailable")
      assert.include(error.message, `${base} does not answer within 30 seconds; check its log`)
    })
  )

  it.effect("given a key that Floe cannot use, it is an error and not a crash", () =>
    Effect.gen(function* () {
      const error = yield* failure({ FLOE_S3_ACCESS_KEY: "ASIATEMPORARY" })
      assert.strictEqual(error._tag, "StorageRefused")
      assert.include(error.message, "session token must also be provided; set FLOE_S3_ACCESS_KEY")
    })
  )
})

it("given a page of a listing, it is read as the object store writes it", () => {
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
