/** Sends one request over a TCP connection of its own and reads the response. */
import { connect } from "node:net"
import { Effect, Schema } from "effect"
import { transportReason } from "./transportReason.ts"

const timeLimit = "3 seconds"
/** Responses take some kilobytes; 10,000 locks of the metastore take 2 MiB. */
const longest = 4 * 1024 * 1024

export interface Address {
  readonly host: string
  readonly port: number
}

/** Parses `localhost:2181`. */
export const addressOf = (place: string, defaultPort = 0): Address => {
  const { hostname, port } = new URL(`tcp://${place}`)
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? defaultPort : Number(port) }
}

export const formatAddress = ({ host, port }: Address) => `${host.includes(":") ? `[${host}]` : host}:${port}`

export class NoAnswer extends Schema.TaggedError<NoAnswer>()("NoAnswer", {
  /** The end of a sentence. */
  reason: Schema.String,
  /** Something answered, but with another protocol. */
  foreign: Schema.Boolean,
  cause: Schema.Defect()
}) {
  override get message() {
    return `${this.reason}.`
  }
}

/** `read` gets all bytes so far; it returns undefined until the response is complete, and throws if it is invalid. */
export const exchange = <A>(address: Address, question: Uint8Array, read: (bytes: Buffer) => A | undefined) => {
  const place = formatAddress(address)
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
        return end(Effect.fail(foreign(`${place} sent more than ${longest} bytes`, length)))
      }
      try {
        const answer = read(Buffer.concat(chunks))
        if (answer !== undefined) end(Effect.succeed(answer))
      } catch (cause) {
        const detail = cause instanceof Error ? cause.message : String(cause)
        end(Effect.fail(foreign(`${place} sent an invalid response (${detail})`, cause)))
      }
    })
    socket.on("error", (cause) =>
      end(
        Effect.fail(
          new NoAnswer({ reason: `nothing answers at ${place} (${transportReason(cause)})`, foreign: false, cause })
        )
      )
    )
    socket.on("end", () => end(Effect.fail(foreign(`${place} closed the connection without a response`, "end"))))
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
