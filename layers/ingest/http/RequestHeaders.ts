/** The headers that the server reads, collected in one pass. */
import type { IncomingMessage } from "node:http"
import {
  badFraming,
  badTransferEncoding,
  badVersion,
  type ErrorResponse,
  type FieldError,
  invalid
} from "./ErrorResponse.ts"

export interface RequestHeaders {
  readonly host: string | undefined
  readonly hosts: number
  readonly site: string | undefined
  readonly key: string | undefined
  readonly keys: number
  /** Content-Length of the body; undefined if it is chunked. */
  readonly length: number | undefined
  readonly contentTypes: number
  /** Transfer-Encoding as sent, several joined by commas; undefined if there is none. */
  readonly coding: string | undefined
}

/** Reads the raw headers: Node's parsed ones cost more and hide duplicates. */
export const requestHeadersOf = ({ rawHeaders }: IncomingMessage): RequestHeaders => {
  let host: string | undefined
  let hosts = 0
  let site: string | undefined
  let key: string | undefined
  let keys = 0
  let length: number | undefined = 0
  let contentTypes = 0
  let coding: string | undefined
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ""
    switch (name.length) {
      case 4:
        if (name.toLowerCase() === "host") {
          host = rawHeaders[i + 1]
          hosts++
        }
        break
      case 12:
        if (name.toLowerCase() === "content-type") contentTypes++
        break
      case 14: {
        const lower = name.toLowerCase()
        if (lower === "sec-fetch-site") site = rawHeaders[i + 1]
        else if (lower === "content-length") length = Number(rawHeaders[i + 1])
        break
      }
      case 15:
        if (name.toLowerCase() === "idempotency-key") {
          key = rawHeaders[i + 1]
          keys++
        }
        break
      case 17:
        if (name.toLowerCase() === "transfer-encoding") {
          length = undefined
          coding = coding === undefined ? rawHeaders[i + 1] : `${coding}, ${rawHeaders[i + 1]}`
        }
        break
    }
  }
  return { host, hosts, site, key, keys, length, contentTypes, coding }
}

/** Whether the client waits for 100 Continue before it sends the body. */
export const expectsContinue = ({ headers, httpVersion }: IncomingMessage) =>
  httpVersion === "1.1" && headers.expect?.toLowerCase() === "100-continue"

/** Errors that leave the end or the meaning of the request unknown, so the response closes the connection. */
export const rejectForm = (headers: RequestHeaders, request: IncomingMessage): ErrorResponse | undefined => {
  if (request.httpVersionMajor !== 1) return badVersion
  if (headers.coding !== undefined) {
    if (headers.coding.toLowerCase() !== "chunked") return badTransferEncoding
    if (request.httpVersion === "1.0") return badFraming
  }
  return undefined
}

const badHost = invalid([{ field: "Host", message: "must be given once" }])
const notHost = invalid([{ field: "Host", message: "must be a name or an address, optionally with a port" }])
const hostForm = /^(?:\[[0-9a-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/i

export const rejectHost = (headers: RequestHeaders, { httpVersion }: IncomingMessage): ErrorResponse | undefined => {
  if (headers.hosts !== 1 && !(headers.hosts === 0 && httpVersion === "1.0")) return badHost
  return headers.host === undefined || hostForm.test(headers.host) ? undefined : notHost
}

const visible = /^[\x21-\x7e]{1,255}$/
const badKey: FieldError = { field: "Idempotency-Key", message: "must be one value of 1–255 visible ASCII characters" }

export const rejectKey = (headers: RequestHeaders): ErrorResponse | undefined =>
  headers.key === undefined || (headers.keys === 1 && visible.test(headers.key)) ? undefined : invalid([badKey])
