/** Why a request got no answer, as the end of a sentence. */

const causes = (cause: unknown): ReadonlyArray<unknown> =>
  cause instanceof Error ? [cause, ...causes(cause.cause)] : []

const reasons: Record<string, string> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "it closed the connection",
  UND_ERR_SOCKET: "it closed the connection",
  ENOTFOUND: "there is no host of that name",
  EAI_AGAIN: "the name of the host cannot be looked up",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  ETIMEDOUT: "the host does not answer",
  UND_ERR_CONNECT_TIMEOUT: "the host does not answer",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS, so its address begins with http://"
}

/** The operating system's or the client's name of the reason, such as ECONNREFUSED. */
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

/** A request to such an address is sent in vain, again and again: nobody is there, or somebody else. */
export const isNobodyThere = (cause: unknown) => {
  const code = transportCode(cause) ?? ""
  return code in reasons && !broken.includes(code)
}
