/** Programs as separate processes, started as a user starts them. Every test that starts Floe starts it here. */
import { spawn } from "node:child_process"
import { createServer } from "node:net"
import { join } from "node:path"
import { Effect } from "effect"

export const root = join(import.meta.dirname, "..", "..")
export const bin = join(root, "bin", "floe.js")
export const built = (program: string) => join(root, "dist", `${program}.js`)

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

interface Output {
  readonly out: string
  readonly err: string
}

export interface Program {
  readonly pid: number
  /** Standard output and standard error, in the order of arrival. */
  readonly output: () => string
  readonly separate: () => Output
  /** The first match in what it has printed and will print. */
  readonly printed: (pattern: RegExp) => Promise<RegExpExecArray>
  /** Waits until its whole output satisfies `wanted`. */
  readonly until: (wanted: (output: string) => boolean) => Promise<void>
  readonly signal: (signal: NodeJS.Signals) => void
  /** Stops reading its standard output, as `| head` does. */
  readonly closeOutput: () => void
  readonly ended: Promise<Ended>
}

type Environment = Readonly<Record<string, string | undefined>>

interface Options {
  readonly cwd?: string
  /** What it reads from standard input, which is empty otherwise. */
  readonly input?: string | undefined
}

/** Without the built-in processor, unless a test is about it. */
const inherited = () => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("FLOE_"))),
  FLOE_WEATHER_HOURLY: "false"
})

const spawned = (command: string, args: ReadonlyArray<string>, env: Environment, options: Options): Program => {
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: { ...inherited(), ...env },
    stdio: ["pipe", "pipe", "pipe"]
  })
  child.stdin.on("error", () => undefined).end(options.input)
  let output = ""
  const separate = { out: "", err: "" }
  let over = false
  const listeners = new Set<() => void>()
  const notify = () => {
    for (const listener of [...listeners]) listener()
  }
  for (const [name, stream] of [["out", child.stdout] as const, ["err", child.stderr] as const]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text
      separate[name] += text
      notify()
    })
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code, signal) => {
      over = true
      notify()
      resolve({ code, signal })
    })
  })
  const match = <A>(find: (output: string) => A | null, what: unknown) =>
    new Promise<A>((resolve, reject) => {
      const look = () => {
        const result = find(output)
        if (result === null && !over) return
        listeners.delete(look)
        if (result === null) reject(new Error(`it ended and never printed ${what}:\n${output}`))
        else resolve(result)
      }
      listeners.add(look)
      look()
    })
  return {
    pid: child.pid ?? 0,
    output: () => output,
    separate: () => separate,
    printed: (pattern) => match((output) => pattern.exec(output), pattern),
    until: async (wanted) => void (await match((output) => (wanted(output) ? true : null), wanted)),
    signal: (signal) => void child.kill(signal),
    closeOutput: () => void child.stdout.destroy(),
    ended
  }
}

/** Killed when the scope closes. */
export const run = (command: string, args: ReadonlyArray<string>, env: Environment = {}, options: Options = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => spawned(command, args, env, options)),
    (program) =>
      Effect.promise(() => {
        program.signal("SIGKILL")
        return program.ended
      })
  )

/** Waits for its end; returns its exit code and output. */
export const result = (program: Program) =>
  Effect.promise(async () => {
    const { code } = await program.ended
    return { code, ...program.separate() }
  })

/** A program of dist/, killed when the scope closes. */
export const start = (program: string, env: Environment = {}) => run(process.execPath, [built(program)], env)

/** `floe` with these arguments, killed when the scope closes. */
export const startFloe = (args: ReadonlyArray<string>, env: Environment = {}, options: Options = {}) =>
  run(process.execPath, [bin, ...args], env, options)

/** Runs `floe` to its end. */
export const floe = (args: ReadonlyArray<string>, env: Environment = {}, options: Options = {}) =>
  Effect.scoped(Effect.flatMap(startFloe(args, env, options), result))

/** A port that nothing listens on at this moment, for a server that restarts at the same address. */
export const freePort = Effect.callback<number>((resume) => {
  const probe = createServer()
  probe.listen(0, "127.0.0.1", () => {
    const address = probe.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    probe.close(() => resume(Effect.succeed(port)))
  })
})
