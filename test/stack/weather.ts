/** Events sent to the logging server as a careful client sends them, and the table read back through Trino. */
import { randomUUID } from "node:crypto"
import { docker } from "./docker.ts"
import { statement } from "./trinoStatement.ts"

export const server = "http://localhost:9998"

export interface Reading {
  readonly city: string
  readonly temperature: string
}

interface Row extends Reading {
  readonly ts: string
}

const pause = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis))

/** Looks again and again until the condition holds; the error shows the last value. */
export const until = async <A>(
  what: string,
  look: () => Promise<A>,
  wanted: (found: A) => boolean,
  { seconds = 120, every = 1_000 } = {}
): Promise<A> => {
  const end = Date.now() + seconds * 1_000
  let last: unknown
  while (Date.now() < end) {
    try {
      const found = await look()
      if (wanted(found)) return found
      last = found
    } catch (error) {
      last = error
    }
    await pause(every)
  }
  throw new Error(
    `${what}: not within ${seconds} s; last seen: ${last instanceof Error ? last.message : JSON.stringify(last)}`
  )
}

const isSuccess = (body: unknown): body is { readonly data: Row } =>
  typeof body === "object" && body !== null && "status" in body && body.status === "success" && "data" in body

class Refused extends Error {}

/** The same request under the same key until it is acknowledged. */
const acknowledged = async (url: string, limit: number, request: RequestInit = {}): Promise<Row> => {
  const headers = { ...request.headers, "idempotency-key": randomUUID() }
  while (true) {
    try {
      const response = await fetch(url, { ...request, headers, signal: AbortSignal.timeout(limit) })
      const body: unknown = await response.json()
      if (response.status === 200 && isSuccess(body)) return body.data
      if (response.status < 500 && response.status !== 409)
        throw new Refused(`${response.status}: ${JSON.stringify(body)}`)
    } catch (error) {
      if (error instanceof Refused) throw error
    }
    await pause(200)
  }
}

/** Sends one reading; the row as it was acknowledged. */
export const log = ({ city, temperature }: Reading) =>
  acknowledged(`${server}/log?city=${encodeURIComponent(city)}&temperature=${encodeURIComponent(temperature)}`, 10_000)

/** The same for up to 10,000 readings in one request. */
export const logAll = async (readings: ReadonlyArray<Reading>): Promise<ReadonlyArray<Row>> => {
  const { ts } = await acknowledged(`${server}/events`, 20_000, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(readings)
  })
  return readings.map(({ city, temperature }) => ({ city, temperature, ts }))
}

export interface Load {
  /** Stops after what is in flight is acknowledged; all that was. */
  readonly stop: () => Promise<ReadonlyArray<Row>>
  readonly acknowledged: () => number
}

/** Single readings, `perSecond` at most, until it is stopped. */
export const load = (prefix: string, perSecond = 40): Load => {
  const acknowledged: Array<Row> = []
  const inFlight = new Set<Promise<unknown>>()
  let count = 0
  const send = () => {
    if (inFlight.size >= 400) return
    const sent = log({ city: `${prefix} ${count}`, temperature: `${count % 120}.25` }).then((row) =>
      acknowledged.push(row)
    )
    count++
    inFlight.add(sent)
    // One that is rejected stays, and fails the test when the load is stopped.
    sent.then(
      () => inFlight.delete(sent),
      () => {}
    )
  }
  const timer = setInterval(send, 1_000 / perSecond)
  return {
    acknowledged: () => acknowledged.length,
    stop: async () => {
      clearInterval(timer)
      await Promise.all(inFlight)
      return acknowledged
    }
  }
}

/** A change that was slower than a commit of the sink: nothing of it was done. */
const lostRace = /Metadata location \[.*\] is not same as table metadata location|Failed to commit/

const commandLine = (sql: string, format: string) =>
  docker("exec", "trino", "trino", "--output-format", format, "--execute", sql)

/** Only Trino's command line takes several statements at once. */
const isScript = (sql: string) => /;\s*\S/.test(sql)

const execute = async (sql: string, format = "TSV", tries = 5): Promise<string> => {
  try {
    const text = format === "TSV" && !isScript(sql) ? await statement(sql) : undefined
    return text ?? (await commandLine(sql, format))
  } catch (error) {
    if (tries <= 1 || !lostRace.test(String(error))) throw error
    return execute(sql, format, tries - 1)
  }
}

/** Rows of one statement, by Trino's command line, each as an object. */
export const trinoJson = async (sql: string): Promise<ReadonlyArray<Readonly<Record<string, unknown>>>> =>
  (await execute(sql, "JSON"))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

/** Rows of one statement, as Trino's command line prints them as tab-separated text. */
export const trino = async (sql: string): Promise<ReadonlyArray<ReadonlyArray<string>>> => {
  const text = await execute(sql)
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\t"))
}

const rowsOf = async (prefix: string) =>
  (await trino(`SELECT city, temperature, ts FROM iceberg.default.weather WHERE city LIKE '${prefix} %'`))
    .map((row) => row.join("\t"))
    .sort()

export const rowCount = async (prefix: string) =>
  Number((await trino(`SELECT count(*) FROM iceberg.default.weather WHERE city LIKE '${prefix} %'`))[0]?.[0])

/**
 * Waits until the table has at least as many rows as were acknowledged, and one that was logged after them: what the sink
 * reads twice comes before that one, so that doubled rows are there by then. Then both, sorted, to be compared.
 */
export const landed = async (prefix: string, acknowledged: ReadonlyArray<Row>, seconds = 240) => {
  await until(
    `${acknowledged.length} rows of ${prefix} in the table`,
    () => rowCount(prefix),
    (rows) => rows >= acknowledged.length,
    {
      seconds,
      every: 2_000
    }
  )
  const last = `${prefix}-last ${randomUUID()}`
  await log({ city: last, temperature: "0" })
  await until(
    "the row logged after them in the table",
    () => trino(`SELECT 1 FROM iceberg.default.weather WHERE city = '${last}'`),
    (found) => found.length > 0,
    { seconds: 120, every: 2_000 }
  )
  const wanted = acknowledged.map(({ city, temperature, ts }) => [city, temperature, ts].join("\t")).sort()
  return { rows: await rowsOf(prefix), wanted }
}
