import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as LeasesLayer from "../../../layers/table/iceberg/Leases.ts"
import { withLeasedSnapshot } from "../../../layers/table/iceberg/SnapshotLease.ts"
import * as TableWriter from "../../../layers/table/iceberg/TableWriter.ts"
import { DataFolder } from "../../../services/DataFolder.ts"
import { Leases } from "../../../services/Leases.ts"
import { temporary } from "../../support/dataFolder.ts"
import { add, someRows } from "../../support/icebergTable.ts"
import { root, run } from "../../support/program.ts"

const live = LeasesLayer.layer.pipe(Layer.provideMerge(temporary))

/** Beyond 2^53, as Spark and pyiceberg make them. */
const big = "4695896948513303399"

const files = Effect.map(DataFolder, ({ leases }) => readdirSync(leases))

describe("Leases", () => {
  it.effect("no file is created before the first lease", () =>
    Effect.gen(function* () {
      const folder = yield* DataFolder
      const leases = yield* Leases
      assert.deepStrictEqual(yield* leases.held, new Set())
      assert.deepStrictEqual(readdirSync(folder.root), [])
      yield* Effect.scoped(leases.hold("7"))
      assert.deepStrictEqual(yield* files, [])
    }).pipe(Effect.provide(live))
  )

  it.effect("a lease lasts until its scope closes, and several on one snapshot until the last closes", () =>
    Effect.gen(function* () {
      const leases = yield* Leases
      const scope = yield* Scope.make()
      yield* Scope.provide(leases.hold(big), scope)
      const both = Effect.andThen(leases.hold(big), Effect.andThen(leases.hold("8"), leases.held))
      assert.deepStrictEqual(yield* Effect.scoped(both), new Set([big, "8"]))
      assert.deepStrictEqual(yield* leases.held, new Set([big]))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* leases.held, new Set())
      assert.deepStrictEqual(yield* files, [])
    }).pipe(Effect.provide(live))
  )

  it.effect(
    "a lease of another process lasts while that is suspended, whatever the clock reads, and ends with kill -9",
    () =>
      Effect.gen(function* () {
        const folder = yield* DataFolder
        const leases = yield* Leases
        const query = yield* run(process.execPath, [join(root, "test/support/leasingProcess.ts"), folder.root, big])
        yield* Effect.promise(() => query.printed(/held/))
        assert.deepStrictEqual(yield* leases.held, new Set([big]))
        query.signal("SIGSTOP")
        yield* TestClock.setTime(Date.UTC(2090, 0, 1))
        assert.deepStrictEqual(yield* leases.held, new Set([big]))
        yield* TestClock.setTime(0)
        assert.deepStrictEqual(yield* leases.held, new Set([big]))
        query.signal("SIGKILL")
        yield* Effect.promise(() => query.ended)
        assert.deepStrictEqual(yield* leases.held, new Set())
        assert.deepStrictEqual(yield* files, [])
      }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.effect("a read without a lease logs a warning only if it fails after the snapshot has expired", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ message }) => void lines.push(...(Array.isArray(message) ? message : [message])))
      const folder = yield* DataFolder
      const leases = yield* Leases
      writeFileSync(folder.leases, "a file where the folder of leases belongs")
      const writer = yield* TableWriter.make({
        tableFolder: folder.table,
        tempFolder: join(folder.root, "temp"),
        snapshotKeep: 1
      }).pipe(Effect.provideService(Leases, Leases.of({ ...leases, held: Effect.succeed(new Set()) })))
      yield* add(writer, someRows(1, "first"))
      const failing = Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { snapshot } = yield* Scope.provide(withLeasedSnapshot(folder.table, undefined), scope)
        return { id: snapshot["snapshot-id"], fail: Scope.close(scope, Exit.fail("No such file")) }
      })
      const before = yield* failing
      yield* Effect.provide(before.fail, Logger.layer([logger]))
      assert.deepStrictEqual(lines, [])
      const reading = yield* failing
      yield* add(writer, someRows(1, "second"))
      yield* Effect.provide(reading.fail, Logger.layer([logger]))
      assert.strictEqual(lines.length, 1)
      assert.match(
        String(lines[0]),
        new RegExp(`^Snapshot ${reading.id} expired while it was read, and no lease could`)
      )
    }).pipe(Effect.scoped, Effect.provide(live))
  )

  it.effect("other files in the folder stay", () =>
    Effect.gen(function* () {
      const folder = yield* DataFolder
      mkdirSync(folder.leases)
      writeFileSync(join(folder.leases, "README"), "not ours")
      assert.deepStrictEqual(yield* (yield* Leases).held, new Set())
      assert.deepStrictEqual(yield* files, ["README"])
    }).pipe(Effect.provide(live))
  )
})
