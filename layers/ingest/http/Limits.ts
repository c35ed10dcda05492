import { Context } from "effect"

/** Bounds of the server; times are milliseconds. A reference, so that tests can shorten them. */
export const Limits = Context.Reference("floe/layers/http/Limits", {
  defaultValue: () => ({
    /** Requests that wait for the log or for their bodies, all connections together. */
    inFlight: 8_192,
    connections: 4_096,
    /** Bytes of bodies held at a time, as sent and inflated; what is parsed from them takes a few times as much. */
    heldBytes: 32 * 1024 * 1024,
    /** Without a byte of the body. */
    bodyStall: 30_000,
    bodyTotal: 120_000,
    headers: 10_000,
    /** Longer than the usual pause between the calls of a client, so that its connection is still there. */
    keepAlive: 65_000,
    /** For open requests at shutdown. */
    drain: 3_000
  })
})
export type Limits = typeof Limits.Service
