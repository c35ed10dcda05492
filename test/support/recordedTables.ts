/** Tables of Floe that another engine has written to, recorded by test/recorded/engines/record.ts. */
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect, Schema } from "effect"
import { temporaryFolder } from "./dataFolder.ts"

const folder = join(import.meta.dirname, "..", "recorded", "engines")

const Case = Schema.Struct({
  statements: Schema.Array(Schema.String),
  /** The rows that Spark reads. */
  columns: Schema.Array(Schema.String),
  rows: Schema.Array(Schema.Array(Schema.Json))
})
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Case)))

const recordedCases = decode(readFileSync(join(folder, "cases.json"), "utf8"))

/** The data folder of a case, at another path than where it was recorded, until the scope closes. */
export const unpacked = Effect.fnUntraced(function* (name: string) {
  const root = join(yield* temporaryFolder, "data")
  mkdirSync(root)
  execFileSync("tar", ["-xzf", join(folder, `${name}.tar.gz`), "-C", root])
  const recorded = recordedCases[name]
  if (recorded === undefined) return yield* Effect.die(new Error(`There is no case ${name}.`))
  return { root, ...recorded }
})
