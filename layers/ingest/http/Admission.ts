/** Who may ask: while only this machine can connect, nobody by a foreign name; and who may write: no page of another site. */

import { type ErrorResponse, errorResponse } from "./ErrorResponse.ts"
import type { RequestHeaders } from "./RequestHeaders.ts"

const crossSite = errorResponse(403, "Requests from pages of other sites are refused.", [
  { field: "Sec-Fetch-Site", message: "must not be cross-site" }
])
const foreignHost = errorResponse(403, "The server is reached by localhost or its own address only.", [
  { field: "Host", message: "must be localhost, 127.0.0.1, [::1] or the address that the server is bound to" }
])

const isLoopback = (host: string) => host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host)

/** A name that resolves to this machine lets any page in a browser here write: the name is checked, not the address. */
export const make = (boundHost: string) => {
  const bound = boundHost.toLowerCase()
  const names = new Set(["localhost", "127.0.0.1", "[::1]", bound.includes(":") ? `[${bound}]` : bound])
  const isKnown = (host: string) => names.has(host.replace(/:\d*$/, "").toLowerCase())
  const checksHost = isLoopback(bound)
  let lastKnown: string | undefined
  const refuseForeign = (head: RequestHeaders): ErrorResponse | undefined => {
    if (!checksHost || head.host === undefined || head.host === lastKnown) return undefined
    if (!isKnown(head.host)) return foreignHost
    lastKnown = head.host
    return undefined
  }
  const refuseCrossSite = (head: RequestHeaders): ErrorResponse | undefined =>
    head.site !== undefined && head.site.toLowerCase() === "cross-site" ? crossSite : undefined
  return { refuseForeign, refuseCrossSite }
}
