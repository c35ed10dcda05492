/** Every answer that is not a success, and its one shape. */
import { STATUS_CODES } from "node:http"
import type { Refused } from "../../../services/Api.ts"
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
  /** A sentence for a person. */
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

/** So many errors are named; a caller who sends more bad records finds the rest after mending these. */
export const maxErrors = 20

/** Names from outside are shown shortened, and as well-formed text. */
export const shown = (name: string) => (name.length > 64 ? `${name.slice(0, 64)}…` : name).toWellFormed()

export const invalid = (errors: ReadonlyArray<FieldError>) => {
  const [first] = errors
  const rest = errors.length > 1 ? `, and ${errors.length - 1} more` : ""
  return errorResponse(
    400,
    first === undefined ? "The request is invalid." : `The request is invalid: ${first.field} ${first.message}${rest}.`,
    errors
  )
}

export const notFound = errorResponse(404, "There is nothing at this path; GET /docs shows what there is.")

export const methodNotAllowed = (method: string, allow: string) =>
  errorResponse(405, `The method ${method} is not allowed here; use ${allow}.`, [], { Allow: allow })

export const draining = errorResponse(503, "The server is shutting down; nothing was logged. Try again.", [], {
  "Retry-After": "1"
})

export const busy = errorResponse(
  503,
  "The server has too many requests at a time; nothing was logged. Try again.",
  [],
  {
    "Retry-After": "1"
  }
)

export const noHour = errorResponse(
  503,
  "The server's clock shows a year before 1970 or after 9999, which no event can bear; nothing was logged. Set the clock, then try again.",
  [],
  { "Retry-After": "10" }
)

export const defect = errorResponse(500, "The server failed in a way that it should not; its log says more.")

/** Whether the client sends the body that it announced is not known, so the connection ends with the answer. */
export const badExpectation = errorResponse(417, "The only expectation that is met is 100-continue.", [
  { field: "Expect", message: "must be 100-continue" }
])

/** What a coding that is not known makes of the body's end is not known either, so the connection ends. */
export const badTransferEncoding = errorResponse(501, "The only transfer encoding that is known is chunked.", [
  { field: "Transfer-Encoding", message: "must be chunked" }
])

export const badFraming = invalid([
  { field: "Transfer-Encoding", message: "is not part of HTTP/1.0; send a Content-Length" }
])

export const badVersion = errorResponse(505, "The server speaks HTTP/1.1 and HTTP/1.0.")

export const noTunnels = errorResponse(405, "The method CONNECT is not allowed.", [], { Allow: "GET, HEAD, POST" })

const late = errorResponse(408, "The request did not come in time; nothing was logged.")
const wideHeaders = errorResponse(431, "The headers must be at most 1,000, and 16 KiB together.", [
  { field: "headers", message: "must be at most 1,000, and 16 KiB together" }
])
const badTarget = errorResponse(400, "The path and query must be ASCII, with anything else percent-encoded.", [
  { field: "query", message: "must be percent-encoded" }
])
const malformed = errorResponse(400, "The request is not valid HTTP; nothing was logged.")

/** What Node says of a connection on which it could make out no request. */
export const connectionError = (code: string | undefined, reason?: unknown) => {
  if (code === "HPE_HEADER_OVERFLOW") return wideHeaders
  // With a Content-Length beside it, it is an attempt at smuggling, or a broken proxy, and has another reason.
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
      return errorResponse(504, `${error.message} Repeat it with the same Idempotency-Key: that doubles nothing.`, [], {
        "Retry-After": "1"
      })
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
  JSON.stringify({ status: "error", message, errors } satisfies typeof Refused.Type)

/** A whole answer as bytes, for connections on which Node made no response; it closes them. */
export const rawAnswer = (errorResponse: ErrorResponse) => {
  const body = Buffer.from(bodyOf(errorResponse))
  const headers = Object.entries(errorResponse.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const head =
    `HTTP/1.1 ${errorResponse.status} ${STATUS_CODES[errorResponse.status] ?? ""}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n${headers.join("")}Connection: close\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}
