/** One question over TCP and its answer, on a connection of its own. */
import { connect } from "node:net"
import { Effect, Schema } from "effect"
import { transportReason } from "./transportReason.ts"

const timeLimit = "3 seconds"
/** What is asked for here is some kilobytes at most; 10,000 locks of the metastore are 2 MiB. */
const longest = 4 * 1024 * 1024

export interface Address {
  readonly host: string
  readonly port: number
}

/** As in localhost:2181. */
export const addressOf = (place: string, defaultPort = 0): Address => {
  const { hostname, port } = new URL(`tcp://${place}`)
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? defaultPort : Number(port) }
}

export const written = ({ host, port }: Address) => `${host.includes(":") ? `[${host}]` : host}:${port}`

export class NoAnswer extends Schema.TaggedError<NoAnswer>()("NoAnswer", {
  /** The end of a sentence. */
  reason: Schema.String,
  /** Something answers, and not as it should. */
  foreign: Schema.Boolean,
  cause: Schema.Defect()
}) {
  override get message() {
    return `${this.reason}.`
  }
}

/** `read` sees all that has come so far, gives undefined while it is not the whole answer, and throws what is none. */
export const exchange = <A>(address: Address, question: Uint8Array, read: (bytes: Buffer) => A | undefined) => {
  const place = written(address)
  const foreign = (reason: string, cause: unknown) => new NoAnswer({ reason, foreign: true, cause })
  return Effect.callback<A, NoAnswer>((resume) => {
    const chunks: Array<Buffer> = []
    let length = 0
    const socket = connect(address)
    const end = (result: Effect.Effect<A, NoAnswer>) => {
      socket.destroy()
      resume(result)
    }
    socket.on("data", (chunk) => {
      chunks.push(chunk)
      length += chunk.length
      if (length > longest) {
        return end(Effect.fail(foreign(`${place} answers with more than ${longest} bytes`, length)))
      }
      try {
        const answer = read(Buffer.concat(chunks))
        if (answer !== undefined) end(Effect.succeed(answer))
      } catch (cause) {
        const said = cause instanceof Error ? cause.message : String(cause)
        end(Effect.fail(foreign(`${place} gives an answer that cannot be read (${said})`, cause)))
      }
    })
    socket.on("error", (cause) =>
      end(
        Effect.fail(
          new NoAnswer({ reason: `nothing answers at ${place} (${transportReason(cause)})`, foreign: false, cause })
        )
      )
    )
    socket.on("end", () => end(Effect.fail(foreign(`${place} ends the connection without an answer`, "end"))))
    socket.write(question)
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOrElse({
      duration: timeLimit,
      orElse: () =>
        Effect.fail(
          new NoAnswer({
            reason: `${place} does not answer within ${timeLimit}`,
            foreign: false,
            cause: "time-out"
          })
        )
    })
  )
}
