import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Layer } from "effect"
import { at } from "../../layers/runtime/DataFolder.ts"

/** A temporary folder, removed when the scope closes. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "floe-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** A temporary data folder, removed when the scope closes. */
export const temporary = Layer.unwrap(Effect.map(temporaryFolder, at))
