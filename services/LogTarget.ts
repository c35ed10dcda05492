/**
 * The logging server that clients on this machine talk to.
 * Owns: its address, where the address comes from, which log it must have. Does not own: talking to it.
 */
import { Context, type Effect } from "effect"
import type { ServerUnavailable } from "./LogClient.ts"

export interface Target {
  readonly url: URL
  /** The address as messages show it, with its source: `http://127.0.0.1:9998 (from FLOE_TARGET)`. */
  readonly label: string
  /** The log that the server at this address must have; null if any will do. */
  readonly logId: string | null
}

export class LogTarget extends Context.Service<
  LogTarget,
  {
    /** Looks each time, because a server may start, stop or move meanwhile. */
    readonly find: Effect.Effect<Target, ServerUnavailable>
  }
>()("floe/services/LogTarget") {}
