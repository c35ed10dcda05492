/** MinIO's liveness page. Other object stores have none. */
import { Effect } from "effect"
import * as HttpClient from "effect/http/HttpClient"
import { StorageUnavailable } from "../../../services/Storage.ts"
import { transportReason } from "../../runtime/transportReason.ts"

/** Its version; null if it does not report it, as most do not. */
export const healthCheck = Effect.fn("healthCheck")(function* (endpoint: URL, warehouse: string) {
  const client = yield* HttpClient.HttpClient
  const unavailable = (reason: string, cause: unknown) => new StorageUnavailable({ warehouse, reason, cause })
  const { status, headers } = yield* client.get(`${endpoint.origin}/minio/health/live`).pipe(
    Effect.tap((response) => response.text),
    Effect.mapError((cause) =>
      unavailable(
        `nothing answers at ${endpoint.origin} (${transportReason(cause)}); start it, or set FLOE_S3_ENDPOINT to its address`,
        cause
      )
    )
  )
  if (status >= 500) return yield* unavailable(`${endpoint.origin} is not healthy: it answers ${status}`, status)
  return /\d+\.\S+|RELEASE\.\S+/.exec(headers.server ?? "")?.[0] ?? null
})
