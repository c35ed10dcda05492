/** Generates docs/cli.md and the tables of docs/configuration.md from the code. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { manual } from "./layers/cli/commands/manual.ts"
import * as Output from "./layers/cli/terminal/Output.ts"
import { withTables } from "./layers/cli/terminal/settingsTables.ts"

const folder = join(import.meta.dirname, "docs")
const configuration = join(folder, "configuration.md")

const text = await Effect.runPromise(manual.pipe(Effect.provide(Output.layer), Effect.provide(NodeServices.layer)))
writeFileSync(join(folder, "cli.md"), text)
writeFileSync(configuration, withTables(readFileSync(configuration, "utf8")))
