/** Every response that is not a success, in one shape. */
import { STATUS_CODES } from "node:http"
import type { ErrorBody } from "../../../services/Api.ts"
import type {
  AppendOutcomeUnknown,
  KeyInFlight,
  KeyReused,
  LogUnavailable,
  RecordTooLarge
} from "../../../services/EventLog.ts"

export interface FieldError {
  readonly field: string
  readonly message: string
}

export interface ErrorResponse {
  readonly status: number
  readonly message: string
  readonly errors: ReadonlyArray<FieldError>
  readonly headers: Readonly<Record<string, string>>
}

export const errorResponse = (
  status: number,
  message: string,
  errors: ReadonlyArray<FieldError> = [],
  headers: Readonly<Record<string, string>> = {}
): ErrorResponse => ({ status, message, errors, headers })

/** The most field errors that one response names. */
export const maxErrors = 20

/** A name that a client sent, shortened and well-formed. */
export const shown = (name: string) => (name.length > 64 ? `${name.slice(0, 64)}…` : name).toWellFormed()

export const invalid = (errors: ReadonlyArray<FieldError>) => {
  const [first] = errors
  const end = errors.length > 1 ? `, and ${errors.length - 1} more.` : first?.message.endsWith("?") ? "" : "."
  return errorResponse(
    400,
    first === undefined ? "The request is invalid." : `The request is invalid: ${first.field} ${first.message}${end}`,
    errors
  )
}

export const notFound = errorResponse(404, "There is nothing at this path; GET /docs lists the API.")

/** `hint`, if there is one, continues the sentence. */
export const methodNotAllowed = (method: string, allow: string, hint = "") =>
  errorResponse(405, `The method ${method} is not allowed here; use ${allow}${hint}.`, [], { Allow: allow })

export const draining = errorResponse(503, "The server is shutting down; nothing was logged. Try again.", [], {
  "Retry-After": "1"
})

export const busy = errorResponse(503, "The server is handling too many requests; nothing was logged. Try again.", [], {
  "Retry-After": "1"
})

export const noHour = errorResponse(
  503,
  "The server's clock shows a year before 1970 or after 9999, which no event can carry; nothing was logged. Set the clock, then try again.",
  [],
  { "Retry-After": "10" }
)

export const defect = errorResponse(500, "Internal error; the server's log has the details.")

/** Closes the connection: the client may or may not send the body that it announced. */
export const badExpectation = errorResponse(417, "The only supported expectation is 100-continue.", [
  { field: "Expect", message: "must be 100-continue" }
])

/** Closes the connection: with an unknown coding, the end of the body is unknown too. */
export const badTransferEncoding = errorResponse(501, "The only supported transfer encoding is chunked.", [
  { field: "Transfer-Encoding", message: "must be chunked" }
])

export const badFraming = invalid([
  { field: "Transfer-Encoding", message: "is not part of HTTP/1.0; send a Content-Length" }
])

export const badVersion = errorResponse(505, "The server supports HTTP/1.1 and HTTP/1.0.")

export const noTunnels = errorResponse(405, "The method CONNECT is not allowed.", [], { Allow: "GET, HEAD, POST" })

const late = errorResponse(408, "The request did not arrive in time; nothing was logged.")
const wideHeaders = errorResponse(431, "A request may have at most 1,000 headers and 16 KiB of headers in total.", [
  { field: "headers", message: "must be at most 1,000, and 16 KiB in total" }
])
const badTarget = errorResponse(400, "The path and query must be ASCII, with anything else percent-encoded.", [
  { field: "query", message: "must be percent-encoded" }
])
const malformed = errorResponse(400, "The request is not valid HTTP; nothing was logged.")

/** The response to bytes that Node could not parse as a request. */
export const connectionError = (code: string | undefined, reason?: unknown) => {
  if (code === "HPE_HEADER_OVERFLOW") return wideHeaders
  // Beside a Content-Length the reason differs: that is request smuggling or a broken proxy.
  if (code === "HPE_INVALID_TRANSFER_ENCODING" && reason === "Request has invalid `Transfer-Encoding`") {
    return badTransferEncoding
  }
  if (code === "HPE_INVALID_URL") return badTarget
  return code === "ERR_HTTP_REQUEST_TIMEOUT" ? late : malformed
}

export const fromLog = (
  error: LogUnavailable | AppendOutcomeUnknown | RecordTooLarge | KeyReused | KeyInFlight
): ErrorResponse => {
  switch (error._tag) {
    case "LogUnavailable":
      return errorResponse(503, `${error.message} Nothing was logged; try again.`, [], { "Retry-After": "1" })
    case "AppendOutcomeUnknown":
      return errorResponse(
        504,
        `${error.message} Repeat the request with the same Idempotency-Key; it logs nothing twice.`,
        [],
        {
          "Retry-After": "1"
        }
      )
    case "RecordTooLarge":
      return errorResponse(413, `${error.message} Nothing was logged.`, [
        { field: `[${error.index}]`, message: `must take at most ${error.limit} bytes in the log` }
      ])
    case "KeyInFlight":
      return errorResponse(409, error.message, [], { "Retry-After": "1" })
    case "KeyReused":
      return errorResponse(422, error.message, [
        { field: "Idempotency-Key", message: "was used for a different request" }
      ])
  }
}

export const bodyOf = ({ message, errors }: ErrorResponse) =>
  JSON.stringify({ status: "error", message, errors } satisfies typeof ErrorBody.Type)

/** A complete response as bytes that closes the connection, for sockets without a ServerResponse. */
export const rawResponse = (error: ErrorResponse) => {
  const body = Buffer.from(bodyOf(error))
  const headers = Object.entries(error.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const head =
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ""}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n${headers.join("")}Connection: close\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}
