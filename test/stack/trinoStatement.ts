/** Statements over Trino's HTTP protocol: its command line takes seconds of processor time to start. */
import { setTimeout } from "node:timers/promises"
import { Schema } from "effect"
import * as ExactJson from "../../layers/table/iceberg/exactJson.ts"

const address = "http://localhost:8080/v1/statement"
const headers = {
  "x-trino-user": "trino",
  "x-trino-source": "tests",
  // Without it, timestamps are cut to milliseconds.
  "x-trino-client-capabilities": "PARAMETRIC_DATETIME"
}
/** Those whose text is the same everywhere. */
const plainType = /^(varchar|char|tinyint|smallint|integer|bigint|decimal|boolean|date|timestamp|uuid|unknown)\b/

const Page = Schema.Struct({
  id: Schema.String,
  nextUri: Schema.optionalKey(Schema.String),
  columns: Schema.optionalKey(Schema.Array(Schema.Struct({ name: Schema.String, type: Schema.String }))),
  data: Schema.optionalKey(Schema.Array(Schema.Array(Schema.Unknown))),
  updateType: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.Struct({ message: Schema.String }))
})
const decode = Schema.decodeUnknownSync(Page)

const maxTries = 100

const ask = async (url: string, request: RequestInit): Promise<typeof Page.Type> => {
  for (let tries = 1; ; tries++) {
    const response = await fetch(url, { ...request, headers, signal: AbortSignal.timeout(60_000) })
    if (response.ok) return decode(ExactJson.parse(await response.text()))
    const text = await response.text()
    if (tries === maxTries || ![502, 503, 504].includes(response.status))
      throw new Error(`Trino answered ${response.status}: ${text}`)
    await setTimeout(100)
  }
}

const escapes: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\0": "\\0",
  "\\": "\\\\"
}
const textOf = (value: unknown) =>
  value === null ? "" : String(value).replace(/[\b\f\n\r\t\0\\]/g, (one) => escapes[one] ?? one)

/** Lines of tab-separated text, as Trino's command line prints them; undefined if it prints types of its own way. */
export const statement = async (sql: string): Promise<string | undefined> => {
  const lines: Array<string> = []
  let page = await ask(address, { method: "POST", body: sql })
  for (;;) {
    if (page.error !== undefined) throw new Error(`Query ${page.id} failed: ${page.error.message}`)
    if (page.columns?.some(({ type }) => !plainType.test(type))) {
      if (page.nextUri !== undefined) await fetch(page.nextUri, { method: "DELETE", headers })
      return undefined
    }
    // The rows of a change are how many it changed.
    if (page.updateType === undefined) for (const row of page.data ?? []) lines.push(row.map(textOf).join("\t"))
    if (page.nextUri === undefined) return lines.join("\n")
    page = await ask(page.nextUri, {})
  }
}
