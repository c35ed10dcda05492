import { cpSync, existsSync, readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { Script } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "./support/dataFolder.ts"
import { built, root, run } from "./support/program.ts"

const programs = readdirSync(join(root, "src")).map((file) => basename(file, ".ts"))

/** A Node that reports another version, and has no program to load. */
const pretending = (version: string) =>
  `data:text/javascript,${encodeURIComponent(
    `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } })`
  )}`

const versionOf = Effect.fnUntraced(function* (node: string) {
  const asked = yield* run(node, ["-p", "process.versions.node"])
  yield* Effect.promise(() => asked.ended)
  return asked.output()
})

const assertRejected = Effect.fnUntraced(function* (node: string, args: ReadonlyArray<string>, program: string) {
  const rejected = yield* run(node, [...args, built(program)])
  assert.deepStrictEqual(yield* Effect.promise(() => rejected.ended), { code: 1, signal: null })
  const [sentence, ...more] = rejected.output().trimEnd().split("\n")
  assert.deepStrictEqual(more, [])
  assert.match(sentence ?? "", /^Floe needs Node 24 or newer and this is \d+\.\d+\.\d+; run it by /)
  assert.include(sentence, `node_modules/.bin/node dist/${program}.js`)
})

describe("the build", () => {
  it("has a launcher and a bundle for each program, the package floe, and nothing else", () => {
    assert.includeMembers(programs, ["server", "generator", "sink", "admin", "standalone"])
    const dist = readdirSync(join(root, "dist"))
    assert.sameMembers(dist, ["programs", "streams", ...programs.map((program) => `${program}.js`)])
    for (const program of programs) assert.isTrue(existsSync(join(root, "dist", "programs", `${program}.js`)))
    assert.deepStrictEqual(
      readdirSync(root).filter((file) => file.startsWith("dist.")),
      []
    )
  })

  it("has launchers in a syntax that an old Node can read, as a module and as a script", () => {
    for (const program of programs) {
      const source = readFileSync(built(program), "utf8")
      new Script(source)
      assert.notMatch(source, /=>|`|\?\.|\?\?|^\s*(import|export|const|let|class|async|await)\s/m)
    }
  })

  it.live("rejects, in one sentence, a Node that is too old", () =>
    Effect.forEach(
      programs,
      (program) => assertRejected(process.execPath, ["--import", pretending("22.21.0")], program),
      {
        concurrency: 2
      }
    )
  )

  it.live("reports in one sentence that the packages of the embedded profile are not installed", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true })
      cpSync(join(root, "package.json"), join(folder, "package.json"))
      for (const args of [["server.js"], ["sink.js"], ["standalone.js"], ["admin.js", "storage", "ls"]]) {
        const [program = "", ...rest] = args
        const alone = yield* run(process.execPath, [join(folder, "dist", program), ...rest], {
          FLOE_PROFILE: "embedded"
        })
        assert.deepStrictEqual(yield* Effect.promise(() => alone.ended), { code: 1, signal: null })
        assert.match(
          alone.output(),
          /^The embedded profile cannot run here because .*FLOE_PROFILE to distributed.*\.\n$/
        )
      }
    })
  )

  it.live("contains Kafka's admin client, with everything that it loads", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true })
      cpSync(join(root, "package.json"), join(folder, "package.json"))
      const chunks = join(folder, "dist", "programs", "chunks")
      const found = readdirSync(chunks).filter(
        (file) => file.endsWith(".js") && readFileSync(join(chunks, file), "utf8").includes("PLT_KFK_NETWORK")
      )
      assert.strictEqual(found.length, 1)
      const loaded = yield* run(process.execPath, ["-e", `import(${JSON.stringify(join(chunks, found[0] ?? ""))})`])
      assert.deepStrictEqual(yield* Effect.promise(() => loaded.ended), { code: 0, signal: null }, loaded.output())
    })
  )

  it.live("starts on the oldest supported Node", () =>
    Effect.gen(function* () {
      const program = yield* run(process.execPath, ["--import", pretending("24.0.0"), built("server")], {
        FLOE_PORT: "nowhere"
      })
      yield* Effect.promise(() => program.ended)
      assert.include(program.output(), "FLOE_PORT")
    })
  )

  it.live("follows an install without warnings about Node: the right one is installed with it", () =>
    Effect.gen(function* () {
      const npm = yield* run("npm", ["config", "get", "loglevel"], { npm_config_loglevel: undefined })
      yield* Effect.promise(() => npm.ended)
      assert.strictEqual(npm.output().trim(), "error")
    })
  )

  const system = "/usr/bin/node"
  it.live("rejects the machine's own Node if that is too old", (context) =>
    Effect.gen(function* () {
      if (!existsSync(system) || Number.parseInt(yield* versionOf(system), 10) >= 24) return context.skip()
      yield* assertRejected(system, [], "server")
    })
  )
})
