import { Context } from "effect"

/** The server's limits; times in milliseconds. A reference, so that tests can shorten them. */
export const Limits = Context.Reference("floe/layers/ingest/http/Limits", {
  defaultValue: () => ({
    /** Open requests over all connections. */
    inFlight: 8_192,
    connections: 4_096,
    /** Bytes of request bodies in memory, as sent and inflated; the parsed records take a few times as much. */
    heldBytes: 32 * 1024 * 1024,
    /** Longest pause between two bytes of a body. */
    bodyStall: 30_000,
    bodyTotal: 120_000,
    headers: 10_000,
    /** Longer than a client usually pauses between requests, so that its connection stays open. */
    keepAlive: 65_000,
    /** How long a shutdown waits for open requests. */
    drain: 3_000
  })
})
export type Limits = typeof Limits.Service
