/** The processors of the distributed profile, in a process of their own for as long as the layer lives. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { placesIn } from "../../runtime/DataFolder.ts"
import { make } from "../Processors.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const root = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "floe-processors-"))),
      (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
    )
    yield* make({ onKafka: true, root, reports: placesIn(root).processors, acquired: Effect.void })
  })
)
