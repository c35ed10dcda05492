import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"

const text = (path: string) => readFileSync(join(import.meta.dirname, "..", path), "utf8")
const sorted = (names: Iterable<string>) => [...new Set(names)].sort()

it("docs/configuration.md has a row for each setting, and no other", () => {
  const settings = text("services/Settings.ts").matchAll(/"(FLOE_[A-Z0-9_]+)"/g)
  const rows = text("docs/configuration.md").matchAll(/^\| `(FLOE_[A-Z0-9_]+)` \|/gm)
  assert.deepStrictEqual(
    sorted(Array.from(rows, ([, name = ""]) => name)),
    sorted(Array.from(settings, ([, name = ""]) => name))
  )
})
