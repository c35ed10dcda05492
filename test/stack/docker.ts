/** Uses the stack of compose.yaml as a person at a shell does. */
import { execFile, spawn } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"

export const root = join(import.meta.dirname, "..", "..")
const maxBuffer = 64 * 1024 * 1024
const executed = promisify(execFile)

/** The standard output of a program; rejects with its standard error if the program fails. */
const run = async (command: string, args: ReadonlyArray<string>, timeout = 60_000) =>
  (await executed(command, [...args], { cwd: root, maxBuffer, timeout })).stdout

export const docker = (...args: ReadonlyArray<string>) => run("docker", args)
export const compose = (...args: ReadonlyArray<string>) => run("docker", ["compose", ...args], 1_800_000)

/** Runs a shell line as the documentation has it. */
export const shell = (line: string, timeout?: number) => run("bash", ["-c", line], timeout)

// biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences of a terminal begin with them
const commands = /\x1b(\[[0-9;?]*[A-Za-z]|[=>])/g

/**
 * Runs a line under a pseudo-terminal of 50 lines. `person` gets the output since the last input, and returns what to
 * type next. Resolves with the whole output, without the terminal's control sequences.
 */
export const terminal = (line: string, person: (shown: string) => string | undefined = () => undefined) =>
  new Promise<string>((resolve, reject) => {
    const child = spawn("script", ["-qec", `stty cols 150 rows 50; ${line}`, "/dev/null"], {
      cwd: root,
      env: { ...process.env, TERM: "xterm" },
      stdio: ["pipe", "pipe", "inherit"]
    })
    let output = ""
    let shown = ""
    const limit = setTimeout(() => {
      child.kill("SIGKILL")
      reject(new Error(`${line} did not end; it printed:\n${output}`))
    }, 100_000)
    child.stdout.on("data", (chunk: Buffer) => {
      const text = chunk.toString()
      output += text
      shown += text
      const typed = person(shown.replace(commands, ""))
      if (typed === undefined) return
      shown = ""
      child.stdin.write(typed)
    })
    child.on("error", reject)
    child.on("close", (code) => {
      clearTimeout(limit)
      if (code === 0) resolve(output.replace(commands, ""))
      else reject(new Error(`${line} ended with ${code}; it printed:\n${output}`))
    })
  })

interface State {
  readonly pid: number
  readonly restarts: number
  readonly running: boolean
  /** healthy, starting, unhealthy. */
  readonly health: string
}

export const stateOf = async (container: string): Promise<State> => {
  const format =
    "{{.State.Pid}} {{.RestartCount}} {{.State.Running}} {{if .State.Health}}{{.State.Health.Status}}{{end}}"
  const [pid, restarts, running, health] = (await docker("inspect", "--format", format, container)).trim().split(" ")
  return { pid: Number(pid), restarts: Number(restarts), running: running === "true", health: health ?? "" }
}

/** Kills like a crash; `docker kill` would count as a manual stop and prevent a restart. Runs in a container, because the pid is the engine's. */
export const killHard = async (container: string) => {
  const { pid } = await stateOf(container)
  await docker(
    "run",
    "--rm",
    "--pid",
    "host",
    "--user",
    "0",
    "--entrypoint",
    "sh",
    "postgres:15",
    "-c",
    `kill -9 ${pid}`
  )
  return pid
}
