/**
 * The address of the running server, in a file of its data folder. A server that is killed leaves the file behind; the
 * free lock then tells that it is stale.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { Effect, Layer, Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLog } from "../../services/EventLog.ts"
import { HttpServer } from "./http/HttpServer.ts"

const ServerAddress = Schema.Struct({
  /** How a program on this machine reaches it. */
  url: Schema.URLFromString,
  host: Schema.String,
  port: Schema.Int,
  processId: Schema.Int,
  logId: Schema.NullOr(Schema.String)
})
export type ServerAddress = typeof ServerAddress.Type

const Json = Schema.fromJsonString(ServerAddress)

/** None if there is no file, or one of another version. */
export const read = (path: string): Option.Option<ServerAddress> => {
  try {
    return Schema.decodeUnknownOption(Json)(readFileSync(path, "utf8"))
  } catch {
    return Option.none()
  }
}

const write = (path: string, address: ServerAddress) => {
  writeFileSync(`${path}.tmp`, `${Schema.encodeSync(Json)(address)}\n`)
  renameSync(`${path}.tmp`, path)
}

/** Writes the file for as long as the server listens. A server that cannot write it still serves. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { serverAddress } = yield* DataFolder
    const { host, port, url } = yield* HttpServer
    const { logId } = yield* EventLog
    const address = { url: new URL(url), host, port, processId: process.pid, logId }
    yield* Effect.acquireRelease(
      Effect.try({ try: () => write(serverAddress, address), catch: (cause) => cause }).pipe(
        Effect.catch((cause) =>
          Effect.logWarning(
            `${serverAddress} cannot be written (${cause instanceof Error ? cause.message : cause}): set FLOE_TARGET=${url} for floe and the generator.`
          )
        )
      ),
      () => Effect.ignore(Effect.try(() => rmSync(serverAddress, { force: true })))
    )
  })
)
