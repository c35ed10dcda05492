/** Holds a lease on a snapshot until it is killed, as a running query does. */
import { argv } from "node:process"
import { Effect, Layer } from "effect"
import { at } from "../../layers/runtime/DataFolder.ts"
import * as LeasesLayer from "../../layers/table/iceberg/Leases.ts"
import { Leases } from "../../services/Leases.ts"

const [, , folder = "", snapshotId = ""] = argv

await Effect.gen(function* () {
  yield* (yield* Leases).hold(snapshotId)
  yield* Effect.sync(() => console.log("held"))
  // The timer keeps the process alive, and with it the lease.
  yield* Effect.sleep("1 hour")
}).pipe(Effect.scoped, Effect.provide(LeasesLayer.layer.pipe(Layer.provide(at(folder)))), Effect.runPromise)
