/** `floe` as a process of its own. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { Effect } from "effect"
import { run } from "./program.ts"

const bin = join(import.meta.dirname, "..", "..", "bin", "floe.js")

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const environment = (env: Record<string, string>) => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("FLOE_"))),
  ...env
})

/** Runs it to its end, with this at its standard input if there is any. */
export const floe = (args: ReadonlyArray<string>, env: Record<string, string> = {}, input?: string) =>
  Effect.callback<Ended>((resume) => {
    const child = spawn(process.execPath, [bin, ...args], { env: environment(env), stdio: "pipe" })
    child.stdin.on("error", () => undefined).end(input)
    let out = ""
    let err = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text))
    child.on("close", (code) => resume(Effect.succeed({ code, out, err })))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** Starts it; killed when the scope closes. */
export const startFloe = (args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  run(process.execPath, [bin, ...args], env)
