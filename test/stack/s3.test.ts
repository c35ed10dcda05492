import { S3Client } from "@bradenmacdonald/s3-lite-client"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted, Stream } from "effect"
import * as StorageLayer from "../../layers/operate/storage/s3.ts"
import { s3 } from "../../services/Settings.ts"
import { Storage } from "../../services/Storage.ts"
import { filling, storageContract } from "../operate/storage/storageContract.ts"

const withSettings = (settings: Record<string, string>) =>
  StorageLayer.layer.pipe(
    Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown(settings), { asPrimary: true }))
  )

const clientOf = (bucket: string) =>
  Effect.map(
    s3,
    ({ endpoint, region, accessKey, secretKey }) =>
      new S3Client({ endPoint: endpoint.origin, region, bucket, accessKey, secretKey: Redacted.value(secretKey) })
  )

/** A new bucket with these files, removed when the scope closes. */
const bucket = (name: string, files: Record<string, number>) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const client = yield* clientOf(name)
      const empty = Effect.forEach(Object.keys(files), (path) => Effect.promise(() => client.deleteObject(path)), {
        concurrency: 16
      })
      yield* Effect.acquireRelease(
        Effect.promise(() => client.makeBucket(name)),
        () =>
          Effect.andThen(
            empty,
            Effect.promise(() => client.removeBucket(name))
          )
      )
      yield* Effect.forEach(
        Object.entries(files),
        ([path, bytes]) => Effect.promise(() => client.putObject(path, "x".repeat(bytes))),
        { concurrency: 16 }
      )
    })
  )

const own = "x-s3-contract"
storageContract(
  "Storage in an object store",
  withSettings({ FLOE_S3_BUCKET: own }).pipe(Layer.provide(bucket(own, filling)))
)

const failure = (settings: Record<string, string>) =>
  Effect.flip(Stream.runDrain(Stream.unwrap(Storage.useSync((storage) => storage.listAll(""))))).pipe(
    Effect.provide(withSettings(settings))
  )

describe("Storage in an object store", () => {
  it.live("lists more files than a page holds, each once", () => {
    const many = Object.fromEntries(Array.from({ length: 1005 }, (_, i) => [`ü & more/${i}`, 1]))
    const name = "x-s3-pages"
    return Effect.gen(function* () {
      const paths = yield* (yield* Storage).listAll("ü & more").pipe(
        Stream.map(({ path }) => path),
        Stream.runCollect
      )
      assert.deepStrictEqual([...paths].sort(), Object.keys(many).sort())
    }).pipe(Effect.provide(withSettings({ FLOE_S3_BUCKET: name }).pipe(Layer.provide(bucket(name, many)))))
  })

  it.live("names what is wrong", () =>
    Effect.gen(function* () {
      const missing = yield* failure({ FLOE_S3_BUCKET: "x-s3-no-such-bucket" })
      assert.strictEqual(missing._tag, "StorageMissing")
      assert.include(missing.message, "FLOE_S3_BUCKET")
      const secret = yield* failure({ FLOE_S3_SECRET_KEY: "not-the-one" })
      assert.strictEqual(secret._tag, "StorageRefused")
      assert.include(secret.message, "FLOE_S3_SECRET_KEY")
      assert.notInclude(secret.message, "not-the-one")
      assert.strictEqual((yield* failure({ FLOE_S3_ACCESS_KEY: "nobody" }))._tag, "StorageRefused")
      const unreachable = yield* failure({ FLOE_S3_ENDPOINT: "http://localhost:2" })
      assert.strictEqual(unreachable._tag, "StorageUnavailable")
      assert.include(unreachable.message, "FLOE_S3_ENDPOINT")
    })
  )
})
