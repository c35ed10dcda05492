/** Typed events sent to three streams as a careful client sends them, and their tables read back through Trino. */
import { randomUUID } from "node:crypto"
import type { Column, PartitionField } from "../../services/StreamDefinition.ts"
import { server, trino, until } from "./weather.ts"

const batchSize = 20

const columns: ReadonlyArray<Column> = [
  { name: "id", type: "string", required: true },
  { name: "n", type: "long", required: true },
  { name: "happened", type: "timestamptz", required: true },
  { name: "price", type: "decimal(12,2)", required: false },
  { name: "tags", type: "list", required: false, nullable: false, element: { type: "string" } }
]
const partitions: ReadonlyArray<ReadonlyArray<PartitionField>> = [
  [{ column: "happened", transform: "day" }],
  [],
  [
    { column: "happened", transform: "month" },
    { column: "n", transform: "truncate", width: 5 }
  ]
]

/** Columns that are added while events come. */
const added = ["c1", "c2", "c3", "c4"]

/** What `floe.streams.json` holds for these three streams, with so many of the added columns. */
export const declaration = (names: ReadonlyArray<string>, more: number) => {
  const optional = added.slice(0, more).map((name) => ({ name, type: "int", required: false }))
  const streams = names.map((name, i) => ({
    name,
    columns: [...columns, ...optional],
    key: "id",
    partitionBy: partitions[i % partitions.length]
  }))
  return JSON.stringify({ format: 1, streams })
}

interface Event {
  readonly id: string
  readonly n: number
  readonly happened: string
  readonly price?: string
  readonly tags?: ReadonlyArray<string>
  readonly [column: string]: unknown
}

const pause = (millis: number) => new Promise<void>((resolve) => setTimeout(resolve, millis))

class Refused extends Error {}

/** The same request under the same key until it is acknowledged. */
const sendTo = async (stream: string, events: ReadonlyArray<Event>) => {
  const headers = { "content-type": "application/json", "idempotency-key": randomUUID() }
  for (;;) {
    try {
      const signal = AbortSignal.timeout(20_000)
      const response = await fetch(`${server}/streams/${stream}/events`, {
        method: "POST",
        headers,
        body: JSON.stringify(events),
        signal
      })
      if (response.status === 200) return
      if (response.status < 500 && response.status !== 409)
        throw new Refused(`${response.status}: ${await response.text()}`)
    } catch (error) {
      if (error instanceof Refused) throw error
    }
    await pause(200)
  }
}

/** Batches to each stream, one at a time for each, until it is stopped. */
export const loadStreams = (names: ReadonlyArray<string>) => {
  const acknowledged = new Map<string, Array<Event>>(names.map((name) => [name, []]))
  let made = 0
  let known = 0
  let stopping = false
  const event = (): Event => {
    const n = made++
    // Every event occurs twice, so that the number of copies must be right.
    const block = Math.floor(n / 2)
    const day = String(1 + (block % 3)).padStart(2, "0")
    return {
      id: `${block}`,
      n: block % 20,
      happened: `2026-0${1 + (block % 2)}-${day}T10:11:12.500000Z`,
      ...(block % 3 === 0 ? {} : { price: `${block % 90}.50` }),
      ...(block % 4 === 0 ? {} : { tags: [`t${block % 7}`, "😀"] }),
      ...Object.fromEntries(added.slice(0, known).map((name) => [name, block]))
    }
  }
  const worker = async (name: string) => {
    while (!stopping) {
      const events = Array.from({ length: batchSize }, event)
      await sendTo(name, events)
      acknowledged.get(name)?.push(...events)
      await pause(100)
    }
  }
  const workers = Promise.all(names.map(worker))
  // One that is rejected fails the test when the load is stopped.
  workers.catch(() => {})
  return {
    /** From now on events have so many of the added columns. */
    addColumns: (count: number) => {
      known = count
    },
    total: () => [...acknowledged.values()].reduce((sum, { length }) => sum + length, 0),
    /** Stops after what is in flight is acknowledged; all that was. */
    stop: async () => {
      stopping = true
      await workers
      return acknowledged
    }
  }
}

export const rowsOf = async (stream: string) =>
  Number((await trino(`SELECT count(*) FROM iceberg.default.${stream} WHERE id NOT LIKE 'last %'`))[0]?.[0])

/** The rows of a stream's table, and what they must be, as sorted lines: after all that was acknowledged is there, and one event more. */
export const landedIn = async (stream: string, events: ReadonlyArray<Event>, more: number) => {
  await until(
    `${events.length} rows in ${stream}`,
    () => rowsOf(stream),
    (rows) => rows >= events.length,
    { seconds: 240, every: 2_000 }
  )
  const last = `last ${randomUUID()}`
  await sendTo(stream, [{ id: last, n: 0, happened: "2026-01-01T00:00:00Z" }])
  await until(
    `the event sent to ${stream} after them in its table`,
    () => trino(`SELECT 1 FROM iceberg.default.${stream} WHERE id = '${last}'`),
    (found) => found.length > 0,
    { seconds: 120, every: 2_000 }
  )
  const optional = added.slice(0, more)
  const texts = [
    "id",
    "CAST(n AS varchar)",
    "format_datetime(happened AT TIME ZONE 'UTC', 'yyyy-MM-dd''T''HH:mm:ss.SSS')",
    "coalesce(CAST(price AS varchar), '-')",
    "coalesce(array_join(tags, '+'), '-')",
    ...optional.map((name) => `coalesce(CAST(${name} AS varchar), '-')`)
  ]
  const rows = (
    await trino(`SELECT ${texts.join(", ")} FROM iceberg.default.${stream} WHERE id NOT LIKE 'last %'`)
  ).map((row) => row.join("|"))
  const wanted = events.map((event) =>
    [
      event.id,
      event.n,
      event.happened.slice(0, 23),
      event.price ?? "-",
      event.tags?.join("+") ?? "-",
      ...optional.map((name) => event[name] ?? "-")
    ].join("|")
  )
  return { rows: rows.sort(), wanted: wanted.sort() }
}
