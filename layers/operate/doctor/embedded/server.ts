/** Checks of the logging server: its port, whether it accepts events, its lock. */
import { connect } from "node:net"
import { Effect, Option, Result } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { DataFolder } from "../../../../services/DataFolder.ts"
import { EventLogReader } from "../../../../services/EventLog.ts"
import type { ServerUnavailable } from "../../../../services/LogClient.ts"
import type { Target } from "../../../../services/LogTarget.ts"
import { otherLog } from "../../../ingest/health.ts"
import { isHeld } from "../../../runtime/ProcessLock.ts"
import { answersAt, healthAt, okOf } from "../../probes/server.ts"

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

/** Null if there is no log yet, or one that cannot be read. */
const logIdHere = Effect.gen(function* () {
  const bounds = yield* Effect.option((yield* EventLogReader).bounds)
  return Option.getOrNull(Option.map(bounds, ({ logId }) => logId))
})

export const port = (host: string, port: number) => ({
  name: "port",
  ok: `This data folder's logging server runs, or port ${port} is free for it.`,
  run: Effect.gen(function* () {
    const { serverLock } = yield* DataFolder
    // A running server has its port, even if this shell's FLOE_PORT differs.
    if (port === 0 || (yield* Effect.orElseSucceed(isHeld(serverLock), () => false))) return []
    const address = reachable(host)
    if (!(yield* isListened(address, port))) return []
    const server = Option.getOrUndefined(yield* Effect.option(healthAt(urlOf(address, port))))
    if (server !== undefined && server.logId !== null && server.logId === (yield* logIdHere)) return []
    const who =
      server === undefined
        ? "a program that is not a Floe logging server"
        : "a logging server with another log than this data folder's"
    const finding: Finding = {
      finding: `Port ${port} on ${address} is in use by ${who}.`,
      consequence: "The logging server cannot be started there.",
      fix: `Stop that program (ss -ltnp "sport = :${port}" shows which it is), or set FLOE_PORT to another port.`
    }
    return [finding]
  })
})

export const server = (target: Result.Result<Target, ServerUnavailable>) => {
  if (Result.isFailure(target)) {
    const finding: Finding = {
      finding: target.failure.message,
      consequence: "No event can be logged.",
      fix: "Start it (npm start, or node dist/server.js), or set FLOE_TARGET to where it listens."
    }
    return { name: "server", ok: "A logging server accepts events.", run: Effect.succeed([finding]) }
  }
  const { label, logId, url } = target.success
  const judge = Effect.fnUntraced(function* (actual: string | null) {
    const { root } = yield* DataFolder
    const other = otherLog(actual, yield* logIdHere)
    if (other === undefined) return []
    const finding: Finding = {
      finding: `The logging server at ${label} does not belong to the data folder ${root}: ${other}.`,
      consequence: "Events logged there do not reach this table.",
      fix:
        logId === null
          ? "Unset FLOE_TARGET, or set FLOE_DATA to the data folder of that server."
          : "Set FLOE_TARGET to where the logging server of this data folder listens, or stop it and start it again."
    }
    return [finding]
  })
  const absent = Effect.fnUntraced(function* (message: string) {
    const { serverLock } = yield* DataFolder
    const finding: Finding = (yield* isHeld(serverLock))
      ? {
          finding: `${message} But a server holds ${serverLock}.`,
          consequence: "It listens elsewhere or hangs; floe and the generator cannot reach it.",
          fix: "Set FLOE_TARGET to where it listens, or stop it and start it again."
        }
      : {
          finding: message,
          consequence: "No event can be logged.",
          fix: "Start it (npm start, or node dist/server.js), or set FLOE_TARGET to where it listens."
        }
    return finding
  })
  return { name: "server", ok: okOf(label), run: answersAt({ url, label }, absent, judge) }
}
