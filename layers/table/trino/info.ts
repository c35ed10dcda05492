/** Reads whether Trino is starting, and its version, without running a statement. */
import { Effect, Schema } from "effect"
import * as HttpClient from "effect/http/HttpClient"
import { QueryUnavailable } from "../../../services/Query.ts"
import { transportReason } from "../../runtime/transportReason.ts"

const Info = Schema.fromJsonString(
  Schema.Struct({ starting: Schema.Boolean, nodeVersion: Schema.Struct({ version: Schema.String }) })
)

/** `server` has no trailing slash. Trino's port is open long before it runs statements. */
export const info = Effect.fn("Trino.info")(function* (server: string) {
  const client = yield* HttpClient.HttpClient
  const elsewhere = "set FLOE_TRINO_URL to its address"
  const { status, body } = yield* client.get(`${server}/v1/info`).pipe(
    Effect.flatMap((response) => Effect.map(response.text, (body) => ({ status: response.status, body }))),
    Effect.mapError((cause) => {
      const reason = `nothing answers at ${server} (${transportReason(cause)}); start it, or ${elsewhere}`
      return new QueryUnavailable({ reason, cause })
    })
  )
  const { starting, nodeVersion } = yield* Schema.decodeUnknownEffect(Info)(body).pipe(
    Effect.mapError((cause) => {
      const reason = `what answers at ${server} is not Trino (${status}); ${elsewhere}`
      return new QueryUnavailable({ reason, cause })
    })
  )
  return { starting, version: nodeVersion.version }
})
