import { assert, layer } from "@effect/vitest"
import { Effect, type Layer, Stream } from "effect"
import { Storage } from "../../../services/Storage.ts"

/** Files that a warehouse is filled with: path, and how many bytes. */
export const filling: Record<string, number> = {
  "default/weather/data/ts=2026-01-08-14/a b.parquet": 3,
  "default/weather/data/ts=2026-01-08-14/a&b<c>.parquet": 1500,
  "default/weather/data/ts=2026-01-08-15/ü☃東.parquet": 0,
  "default/weather/data/ts=2026-01-08-15/a+b%20c.parquet": 7,
  "default/weather/metadata/q\"uo'te.json": 12,
  " leading": 1,
  top: 2
}

/** What every Storage must do over a warehouse filled with these files. */
export const storageContract = <E>(name: string, storage: Layer.Layer<Storage, E>) =>
  layer(storage)(name, (it) => {
    const listed = (folder: string) =>
      Effect.map(Stream.runCollect(Stream.unwrap(Storage.useSync((storage) => storage.list(folder)))), (entries) =>
        entries.map((entry) => entry.path).sort()
      )
    const sizes = (folder: string) =>
      Effect.map(Stream.runCollect(Stream.unwrap(Storage.useSync((storage) => storage.listAll(folder)))), (files) =>
        Object.fromEntries(files.map(({ path, bytes }) => [path, bytes]))
      )

    it.effect("lists all files below a folder with their sizes, whatever characters a name has", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* sizes(""), filling)
        const inData = Object.entries(filling).filter(([path]) => path.startsWith("default/weather/data/"))
        assert.deepStrictEqual(yield* sizes("default/weather/data"), Object.fromEntries(inData))
        assert.deepStrictEqual(yield* sizes("default/weather/data/"), Object.fromEntries(inData))
      })
    )

    it.effect("lists one level: folders and files", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* listed(""), [" leading", "default/", "top"])
        assert.deepStrictEqual(yield* listed("default/weather"), ["default/weather/data/", "default/weather/metadata/"])
        assert.deepStrictEqual(yield* listed("default/weather/data/ts=2026-01-08-14"), [
          "default/weather/data/ts=2026-01-08-14/a b.parquet",
          "default/weather/data/ts=2026-01-08-14/a&b<c>.parquet"
        ])
      })
    )

    it.effect("nothing for what is not there, and nothing above the warehouse", () =>
      Effect.gen(function* () {
        for (const folder of ["nothing", "default/wea", "top", "../..", "default/../.."]) {
          assert.deepStrictEqual(yield* listed(folder), [], folder)
          assert.deepStrictEqual(yield* sizes(folder), {}, folder)
        }
      })
    )

    it.effect("reports when a file was written", () =>
      Effect.gen(function* () {
        const files = yield* Stream.runCollect(Stream.unwrap(Storage.useSync((storage) => storage.listAll(""))))
        for (const { modifiedAt } of files) assert.isBelow(Math.abs(Date.now() - modifiedAt), 600_000)
      })
    )
  })
