/** Programs as processes of their own, as a user starts them. */
import { spawn } from "node:child_process"
import { createServer } from "node:net"
import { join } from "node:path"
import { Effect } from "effect"

export const root = join(import.meta.dirname, "..", "..")
export const built = (program: string) => join(root, "dist", `${program}.js`)

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Program {
  readonly pid: number
  readonly output: () => string
  /** The first match in what it has printed and will print. */
  readonly printed: (pattern: RegExp) => Promise<RegExpExecArray>
  /** Waits until all that it has printed is as wanted. */
  readonly until: (wanted: (output: string) => boolean) => Promise<void>
  readonly signal: (signal: NodeJS.Signals) => void
  readonly ended: Promise<Ended>
}

type Environment = Record<string, string | undefined>

const inherited = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("FLOE_")))

const spawned = (command: string, args: ReadonlyArray<string>, env: Environment): Program => {
  const child = spawn(command, args, { cwd: root, env: { ...inherited(), ...env }, stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  let over = false
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const listener of [...listeners]) listener()
  }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text
      tell()
    })
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code, signal) => {
      over = true
      tell()
      resolve({ code, signal })
    })
  })
  const found = <A>(find: (output: string) => A | null, what: unknown) =>
    new Promise<A>((resolve, reject) => {
      const look = () => {
        const match = find(output)
        if (match === null && !over) return
        listeners.delete(look)
        if (match === null) reject(new Error(`it ended and never printed ${what}:\n${output}`))
        else resolve(match)
      }
      listeners.add(look)
      look()
    })
  return {
    pid: child.pid ?? 0,
    output: () => output,
    printed: (pattern) => found((output) => pattern.exec(output), pattern),
    until: async (wanted) => void (await found((output) => (wanted(output) ? true : null), wanted)),
    signal: (signal) => void child.kill(signal),
    ended
  }
}

/** Killed when the scope closes. */
export const run = (command: string, args: ReadonlyArray<string>, env: Environment = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => spawned(command, args, env)),
    (program) =>
      Effect.promise(() => {
        program.signal("SIGKILL")
        return program.ended
      })
  )

/** A program of dist/. */
export const start = (program: string, env: Environment = {}) => run(process.execPath, [built(program)], env)

/** A port that nothing listens on at this moment, for a server that is to come back at the same address. */
export const freePort = Effect.callback<number>((resume) => {
  const probe = createServer()
  probe.listen(0, "127.0.0.1", () => {
    const address = probe.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    probe.close(() => resume(Effect.succeed(port)))
  })
})
