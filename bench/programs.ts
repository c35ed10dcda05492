/** Starts programs as separate processes, on a data folder that is removed afterwards. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"

/** On the project's disk, because /tmp may be in memory. */
export const temporaryFolder = () => {
  const folder = mkdtempSync(join(import.meta.dirname, "..", ".bench-"))
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const probe = createServer()
    probe.on("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() =>
        address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))
      )
    })
  })

/** Starts a program of this project with Node. */
export const start = (program: string, args: ReadonlyArray<string>, env: Record<string, string>) =>
  spawned(process.execPath, [program, ...args], env)

const children = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL")
})

export const spawned = (command: string, args: ReadonlyArray<string>, env: Record<string, string>) => {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"]
  })
  children.add(child)
  return child
}

/** The first match in the program's output. */
export const printed = (child: ChildProcess, pattern: RegExp) =>
  new Promise<RegExpExecArray>((resolve, reject) => {
    let text = ""
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString()
      const match = pattern.exec(text)
      if (match) resolve(match)
    })
    child.on("exit", (code) => reject(new Error(`the program ended with ${code}: ${text}`)))
  })

/** The output of a program that exits by itself; fails unless its exit code is 0. */
export const finished = (program: string, args: ReadonlyArray<string>, env: Record<string, string>) =>
  new Promise<string>((resolve, reject) => {
    const child = start(program, args, env)
    let text = ""
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString()
    })
    child.on("close", (code) =>
      code === 0 ? resolve(text) : reject(new Error(`${program} ended with ${code}: ${text}`))
    )
  })

/** Process ids; none if the process has exited. */
export const childrenOf = (pid: number) => {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number)
    )
  } catch {
    return []
  }
}

/** Waits until `GET path` answers 200. */
export const answering = async (port: number, path: string) => {
  for (let attempt = 0; attempt < 200; attempt++) {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined)
    await answer?.arrayBuffer()
    if (answer?.status === 200) return
    await delay(50)
  }
  throw new Error(`nothing answers on port ${port}`)
}

export const stop = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    if (child.exitCode !== null) return resolve()
    child.on("exit", () => resolve())
    child.kill("SIGTERM")
  })

export const median = (numbers: ReadonlyArray<number>) => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

export const rounded = (n: number) => Math.round(n).toLocaleString("en-US")
