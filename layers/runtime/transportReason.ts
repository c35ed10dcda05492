/** Why a request failed, as the end of a sentence. */

const causes = (cause: unknown): ReadonlyArray<unknown> =>
  cause instanceof Error ? [cause, ...causes(cause.cause)] : []

const reasons: Record<string, string> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "it closed the connection",
  UND_ERR_SOCKET: "it closed the connection",
  ENOTFOUND: "the host name is unknown",
  EAI_AGAIN: "the host name cannot be resolved",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  ETIMEDOUT: "the host does not answer",
  UND_ERR_CONNECT_TIMEOUT: "the host does not answer",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not use TLS; use an http:// address"
}

/** The error code of the operating system or the client, for example ECONNREFUSED. */
const transportCode = (cause: unknown) => {
  for (const error of causes(cause)) {
    if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code
  }
  return undefined
}

export const transportReason = (cause: unknown) => {
  const code = transportCode(cause)
  if (code !== undefined) return reasons[code] ?? code
  const last = causes(cause).at(-1)
  return last instanceof Error ? last.message : String(cause)
}

const broken = ["ECONNRESET", "UND_ERR_SOCKET"]

/** Whether a retry is pointless: nothing, or another program, listens at the address. */
export const isNobodyThere = (cause: unknown) => {
  const code = transportCode(cause) ?? ""
  return code in reasons && !broken.includes(code)
}
