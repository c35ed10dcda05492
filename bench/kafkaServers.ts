/** The servers that `npm run bench kafka` compares. Each one answers `GET /log`. */
import type { ChildProcess } from "node:child_process"
import { readFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { answering, freePort, printed, spawned, start } from "./programs.ts"

export interface Server {
  readonly name: string
  readonly child: ChildProcess
  readonly port: number
}

interface Target {
  readonly brokers: string
  readonly topic: string
  readonly folder: string
}

export const floe = async ({ brokers, topic }: Target): Promise<Server> => {
  const port = await freePort()
  const child = start("dist/server.js", [], {
    FLOE_PROFILE: "distributed",
    FLOE_KAFKA_BROKERS: brokers,
    FLOE_TOPIC: topic,
    FLOE_PORT: String(port)
  })
  await answering(port, "/ready")
  return { name: "floe", child, port }
}

/** Answers without a log. */
export const bare = async ({ folder }: Target): Promise<Server> => {
  const child = start("bench/floor.ts", ["bare"], { FLOE_DATA: folder })
  const [, port] = await printed(child, /listening on (\d+)/)
  return { name: "bare", child, port: Number(port) }
}

export const flask = async ({ brokers, topic }: Target, python: string): Promise<Server> => {
  const port = await freePort()
  const gunicorn = ["-m", "gunicorn", "--chdir", "bench/flask", "--workers", "1", "--threads", "16"]
  const listening = ["--bind", `127.0.0.1:${port}`, "--log-level", "error", "server:app"]
  const child = spawned(python, [...gunicorn, ...listening], { FLOE_KAFKA_BROKERS: brokers, FLOE_TOPIC: topic })
  await answering(port, "/health")
  return { name: "flask", child, port }
}

/** Those of its settings that were the fastest: max_in_flight, batching count and period, linger, compression. */
const peerSettings = {
  "benthos, a message a call": ["512", "0", "", "0s", "none"],
  "benthos, a message a call, linger 1 ms": ["512", "0", "", "1ms", "none"],
  "benthos, a message a call, snappy": ["512", "0", "", "0s", "snappy"],
  "benthos, batches of 64 or 1 ms": ["64", "64", "1ms", "0s", "none"]
}

const listening = async (port: number) => {
  for (let attempt = 0; attempt < 200; attempt++) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false))
      socket.on("connect", () => socket.destroy())
    })
    if (isOpen) return
    await delay(50)
  }
  throw new Error(`nothing listens on port ${port}`)
}

/** Builds the Go program of bench/peer, and adds a server for each of its settings. */
export const peers = async ({ brokers, topic, folder }: Target, go: string, servers: Array<Server>) => {
  const program = join(folder, "peer")
  const building = spawned(go, ["build", "-C", "bench/peer", "-o", program, "."], {})
  const code = await new Promise((resolve) => building.on("error", resolve).on("exit", resolve))
  if (code !== 0) throw new Error("bench/peer could not be built; GO names the Go command")
  for (const [name, settings] of Object.entries(peerSettings)) {
    const port = await freePort()
    const child = spawned(program, [String(port), brokers, topic, ...settings], {})
    servers.push({ name, child, port })
    await listening(port)
  }
}

/** Seconds of processor time that the program has taken, in steps of 10 ms. */
export const processorSeconds = ({ child: { pid } }: Server) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}
