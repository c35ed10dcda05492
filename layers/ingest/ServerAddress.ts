/** The address of the running server, in a file of its data folder. It is stale if the server's lock is free. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { Effect, Layer, Option, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { EventLog } from "../../services/EventLog.ts"
import { HttpServer } from "./http/HttpServer.ts"

const ServerAddress = Schema.Struct({
  /** The address for programs on this machine. */
  url: Schema.URLFromString,
  host: Schema.String,
  port: Schema.Int,
  processId: Schema.Int,
  logId: Schema.NullOr(Schema.String)
})
export type ServerAddress = typeof ServerAddress.Type

const Json = Schema.fromJsonString(ServerAddress)

/** None if the file is missing or of another version. */
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

/** Keeps the file while the server listens. A server that cannot write the file still serves. */
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
            `${serverAddress} cannot be written (${cause instanceof Error ? cause.message : cause}); set FLOE_TARGET=${url} for floe and the generator.`
          )
        )
      ),
      () => Effect.ignore(Effect.try(() => rmSync(serverAddress, { force: true })))
    )
  })
)
