/** Checks of the logging server: its port, whether it answers, its lock. */
import { connect } from "node:net"
import { Effect } from "effect"
import type { Check, Finding } from "../../../services/Checks.ts"
import type { DataFolder } from "../../../services/DataFolder.ts"
import { answersAt, healthAt, wellOf } from "../../checks/Server.ts"
import { isHeld } from "../../sqlite/Lock.ts"

const isListened = (host: string, port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ host, port, timeout: 1000 })
    const answer = (is: boolean) => {
      socket.destroy()
      resume(Effect.succeed(is))
    }
    socket.on("connect", () => answer(true))
    socket.on("timeout", () => answer(false))
    socket.on("error", () => answer(false))
    return Effect.sync(() => socket.destroy())
  })

/** How to reach a server that listens on all addresses. */
const reachable = (host: string) => (host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host)
const urlOf = (host: string, port: number) => new URL(`http://${host.includes(":") ? `[${host}]` : host}:${port}`)

export const port = (host: string, port: number): Check => ({
  name: "port",
  well: `Port ${port} is the logging server's, or free.`,
  run: Effect.gen(function* () {
    if (port === 0) return []
    const address = reachable(host)
    if (!(yield* isListened(address, port))) return []
    const isOurs = yield* Effect.isSuccess(healthAt(urlOf(address, port)))
    if (isOurs) return []
    const finding: Finding = {
      finding: `Port ${port} on ${address} is in use by a program that is not a logging server of Floe.`,
      consequence: "The logging server cannot be started there.",
      mend: `Stop that program (see who it is: ss -ltnp "sport = :${port}"), or set FLOE_PORT and FLOE_TARGET to another port.`
    }
    return [finding]
  })
})

export const server = (target: URL, folder: DataFolder["Service"]): Check => {
  const absent = Effect.fnUntraced(function* (message: string) {
    const finding: Finding = (yield* isHeld(folder.serverLock))
      ? {
          finding: `${message} But a server holds ${folder.serverLock}.`,
          consequence: "It listens elsewhere, or hangs; floe and the generator do not reach it.",
          mend: "Set FLOE_TARGET to where it listens, or stop it and start it again."
        }
      : {
          finding: message,
          consequence: "No event can be logged.",
          mend: "Start it (npm start, or node dist/server.js), or set FLOE_TARGET to where it listens."
        }
    return finding
  })
  return { name: "server", well: wellOf(target), run: answersAt(target, absent) }
}
