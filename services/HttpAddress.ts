/**
 * Where the HTTP server listens.
 * Owns: the bound address, why there is none. Does not own: what is served there.
 */
import { Context, Schema } from "effect"

/** The address cannot be listened on. */
export class AddressUnusable extends Schema.TaggedError<AddressUnusable>()("AddressUnusable", {
  host: Schema.String,
  port: Schema.Int,
  /** The operating system's name of the reason, such as EADDRINUSE. */
  code: Schema.String
}) {
  override get message() {
    switch (this.code) {
      case "EADDRINUSE":
        return `Port ${this.port} on ${this.host} is in use by another program; stop what uses it or set FLOE_PORT.`
      case "EACCES":
        return `Port ${this.port} on ${this.host} may not be used by this user; set FLOE_PORT to a port above 1023.`
      case "EADDRNOTAVAIL":
      case "ENOTFOUND":
      case "EAI_AGAIN":
        return `${this.host} is not an address of this machine; set FLOE_HOST to one that is.`
      default:
        return `Port ${this.port} on ${this.host} cannot be listened on (${this.code}); set FLOE_HOST and FLOE_PORT.`
    }
  }
}

export class HttpAddress extends Context.Service<
  HttpAddress,
  {
    readonly host: string
    /** The bound port, also where port 0 was asked for. */
    readonly port: number
    /** How a program on this machine reaches the server, without a slash at the end. */
    readonly url: string
  }
>()("floe/services/HttpAddress") {}
