/**
 * The logging server that clients on this machine use.
 * Owns: its address, the source of the address, the log that it must write. Does not own: requests (LogClient).
 */
import { Context, type Effect } from "effect"
import type { ServerUnavailable } from "./LogClient.ts"

export interface Target {
  readonly url: URL
  /** The address with its source, for messages: `http://127.0.0.1:9998 (from FLOE_TARGET)`. */
  readonly label: string
  /** The id of the log that the server must write; null allows any log. */
  readonly logId: string | null
}

export class LogTarget extends Context.Service<
  LogTarget,
  {
    /** Looks up the server each time, because it may start, stop or move. */
    readonly find: Effect.Effect<Target, ServerUnavailable>
  }
>()("floe/services/LogTarget") {}
