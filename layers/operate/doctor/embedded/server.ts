/** Checks of the logging server: its port, whether it answers, its lock. */
import { connect } from "node:net"
import { Effect, Option, Result } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import type { DataFolder } from "../../../../services/DataFolder.ts"
import type { EventLogReader } from "../../../../services/EventLog.ts"
import type { ServerUnavailable } from "../../../../services/LogClient.ts"
import type { Target } from "../../../../services/LogTarget.ts"
import { otherLog } from "../../../ingest/health.ts"
import { isHeld } from "../../../runtime/ProcessLock.ts"
import { answersAt, healthAt, wellOf } from "../../probes/server.ts"

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

/** None where there is no log yet, or one that cannot be read. */
const idOf = (log: EventLogReader["Service"]) =>
  Effect.map(Effect.option(log.bounds), (bounds) => Option.getOrNull(Option.map(bounds, ({ logId }) => logId)))

export const port = (
  host: string,
  port: number,
  { serverLock }: DataFolder["Service"],
  log: EventLogReader["Service"]
): Check => ({
  name: "port",
  ok: `This data folder's logging server runs, or port ${port} is free for it.`,
  run: Effect.gen(function* () {
    // A server that runs has its port, whatever this shell's FLOE_PORT is.
    if (port === 0 || (yield* Effect.orElseSucceed(isHeld(serverLock), () => false))) return []
    const address = reachable(host)
    if (!(yield* isListened(address, port))) return []
    const found = Option.getOrUndefined(yield* Effect.option(healthAt(urlOf(address, port))))
    if (found !== undefined && found.logId !== null && found.logId === (yield* idOf(log))) return []
    const who =
      found === undefined
        ? "a program that is not a logging server of Floe"
        : "a logging server with another log than this data folder's"
    const finding: Finding = {
      finding: `Port ${port} on ${address} is in use by ${who}.`,
      consequence: "The logging server cannot be started there.",
      fix: `Stop that program (see who it is: ss -ltnp "sport = :${port}"), or set FLOE_PORT to another port.`
    }
    return [finding]
  })
})

export const server = (
  target: Result.Result<Target, ServerUnavailable>,
  folder: DataFolder["Service"],
  log: EventLogReader["Service"]
): Check => {
  if (Result.isFailure(target)) {
    const finding: Finding = {
      finding: target.failure.message,
      consequence: "No event can be logged.",
      fix: "Start it (npm start, or node dist/server.js), or set FLOE_TARGET to where it listens."
    }
    return { name: "server", ok: "A logging server takes events.", run: Effect.succeed([finding]) }
  }
  const { label, logId, url } = target.success
  const judge = Effect.fnUntraced(function* (found: string | null) {
    const other = otherLog(found, yield* idOf(log))
    if (other === undefined) return []
    const finding: Finding = {
      finding: `The logging server at ${label} is not that of the data folder ${folder.root}: ${other}.`,
      consequence: "What is logged there does not come into this table.",
      fix:
        logId === null
          ? "Unset FLOE_TARGET, or set FLOE_DATA to the data folder of that server."
          : "Set FLOE_TARGET to where the logging server of this data folder listens, or stop it and start it again."
    }
    return [finding]
  })
  const absent = Effect.fnUntraced(function* (message: string) {
    const finding: Finding = (yield* isHeld(folder.serverLock))
      ? {
          finding: `${message} But a server holds ${folder.serverLock}.`,
          consequence: "It listens elsewhere, or hangs; floe and the generator do not reach it.",
          fix: "Set FLOE_TARGET to where it listens, or stop it and start it again."
        }
      : {
          finding: message,
          consequence: "No event can be logged.",
          fix: "Start it (npm start, or node dist/server.js), or set FLOE_TARGET to where it listens."
        }
    return finding
  })
  return { name: "server", ok: wellOf(label), run: answersAt({ url, label }, absent, judge) }
}
