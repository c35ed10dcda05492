/** Checks who may connect: on a loopback address only requests to a local Host, and never a write from a page of another site. */
import { type ErrorResponse, errorResponse } from "./ErrorResponse.ts"
import type { RequestHeaders } from "./RequestHeaders.ts"

const crossSite = errorResponse(403, "Cross-site requests from browsers are not allowed.", [
  { field: "Sec-Fetch-Site", message: "must not be cross-site" }
])
const foreignHost = errorResponse(403, "Use localhost or the address that the server is bound to.", [
  { field: "Host", message: "must be localhost, 127.0.0.1, [::1] or the address that the server is bound to" }
])

const isLoopback = (host: string) => host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host)

/** Checks the name, not the address: any site can let its own name resolve to 127.0.0.1 (DNS rebinding). */
export const make = (boundHost: string) => {
  const bound = boundHost.toLowerCase()
  const names = new Set(["localhost", "127.0.0.1", "[::1]", bound.includes(":") ? `[${bound}]` : bound])
  const isKnown = (host: string) => names.has(host.replace(/:\d*$/, "").toLowerCase())
  const checksHost = isLoopback(bound)
  let lastKnown: string | undefined
  const rejectForeign = (headers: RequestHeaders): ErrorResponse | undefined => {
    if (!checksHost || headers.host === undefined || headers.host === lastKnown) return undefined
    if (!isKnown(headers.host)) return foreignHost
    lastKnown = headers.host
    return undefined
  }
  const rejectCrossSite = (headers: RequestHeaders): ErrorResponse | undefined =>
    headers.site !== undefined && headers.site.toLowerCase() === "cross-site" ? crossSite : undefined
  return { rejectForeign, rejectCrossSite }
}
