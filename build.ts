/**
 * Bundles every program of src/ into dist/programs/, and writes a launcher for each to dist/. The launcher uses syntax
 * that any Node can parse, so a Node that is too old prints what to do instead of a SyntaxError.
 * dist/streams/ is the package `floe` that a module of streams imports, with its types, and the thread that loads the
 * module. Both use node_modules/effect, the copy that the module gets too; the programs have effect inside.
 */
import { execFileSync } from "node:child_process"
import { readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { build } from "rolldown"

const root = import.meta.dirname
const dist = join(root, "dist")
/** Built beside the old output: a failed build leaves that unchanged, and a finished one replaces it completely. */
const fresh = join(root, `dist.${process.pid}.tmp`)

const tsc = join(root, "node_modules", "typescript", "bin", "tsc")

const launcher = (program: string) => `"use strict"
var version = process.versions.node
if (parseInt(version, 10) >= 24) {
  import("./programs/${program}.js")
} else {
  console.error(
    "Floe needs Node 24 or newer and this is " + version +
      "; run it by the Node that npm installed with it: node_modules/.bin/node dist/${program}.js"
  )
  process.exitCode = 1
}
`

const kilobytes = (file: string) => `${Math.ceil(statSync(file).size / 1024)} kB`

const started = performance.now()
const programs = readdirSync(join(root, "src")).map((file) => basename(file, ".ts"))
try {
  await build({
    cwd: root,
    input: Object.fromEntries(programs.map((program) => [program, join(root, "src", `${program}.ts`)])),
    platform: "node",
    external: [/^node:/, /^@duckdb\//, /^@confluentinc\//],
    // The package's other build reads a file beside it.
    resolve: { alias: { "@platformatic/wasm-utils": "@platformatic/wasm-utils/bundled" } },
    logLevel: "warn",
    output: {
      dir: join(fresh, "programs"),
      format: "esm",
      entryFileNames: "[name].js",
      chunkFileNames: "chunks/[name]-[hash].js",
      sourcemap: true
    }
  })
  await build({
    cwd: root,
    input: {
      index: join(root, "streams", "index.ts"),
      moduleWorker: join(root, "layers", "declaration", "moduleWorker.ts"),
      processorWorker: join(root, "layers", "process", "processorWorker.ts"),
      testing: join(root, "layers", "process", "testing.ts"),
      watchThread: join(root, "layers", "process", "watchThread.ts")
    },
    platform: "node",
    external: [/^node:/, /^effect($|\/)/, /^@confluentinc\//],
    logLevel: "warn",
    output: {
      dir: join(fresh, "streams"),
      format: "esm",
      entryFileNames: "[name].js",
      chunkFileNames: "chunks/[name]-[hash].js"
    }
  })
  execFileSync(process.execPath, [tsc, "--project", "tsconfig.types.json", "--outDir", join(fresh, "streams")], {
    cwd: root,
    stdio: "inherit"
  })
  // The types of the package's other entry; those of its code would be those of half the product.
  writeFileSync(
    join(fresh, "streams", "testing.d.ts"),
    'import type { GivenFunction } from "./Given.js"\nexport declare const given: GivenFunction\n'
  )
  for (const program of programs) writeFileSync(join(fresh, `${program}.js`), launcher(program))
  rmSync(dist, { recursive: true, force: true })
  renameSync(fresh, dist)
} finally {
  rmSync(fresh, { recursive: true, force: true })
}

for (const program of programs) {
  console.log(`dist/${program}.js  ${kilobytes(join(dist, "programs", `${program}.js`))}`)
}
const chunks = readdirSync(join(dist, "programs", "chunks")).filter((file) => file.endsWith(".js"))
for (const chunk of chunks) console.log(`  shared ${chunk}  ${kilobytes(join(dist, "programs", "chunks", chunk))}`)
console.log(`Built ${programs.length} programs in ${((performance.now() - started) / 1000).toFixed(1)} s.`)
