/** What an audit compares of a stream's records: their group and their text, as services/TableChecksums.ts defines them. */
import { Schema } from "effect"
import type { LogRecord } from "../../../services/EventLog.ts"
import type { AppliedStream, StreamDefinition } from "../../../services/StreamDefinition.ts"
import { groupColumn, type ShownRow, type TableHour, weatherText } from "../../../services/TableChecksums.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { rowText } from "./rowText.ts"

export interface RowFormat {
  readonly group: (record: LogRecord) => TableHour
  readonly text: (record: LogRecord) => string
  readonly shown: (record: LogRecord) => ShownRow
  /** The group of an hour (`YYYY-MM-DD-HH`), to compare with other groups. */
  readonly groupOfHour: (hour: string) => string
}

const wrongStream = (): never => {
  throw new Error("a record of another stream")
}

const weather: RowFormat = {
  group: (record) => (typeof record === "string" ? wrongStream() : record.ts),
  text: (record) => (typeof record === "string" ? wrongStream() : weatherText(record)),
  shown: (record) => {
    if (typeof record === "string") return wrongStream()
    const { city, temperature } = record
    return { city, temperature }
  },
  groupOfHour: (hour) => hour
}

const decode = Schema.decodeUnknownSync(Schema.Record(Schema.String, Schema.Unknown))

const grouping = (definition: StreamDefinition) => {
  const by = groupColumn(definition)
  if (by === undefined) return () => null
  const before = definition.columns.find(({ name }) => name === by.column)?.renamedFrom ?? by.column
  return (record: Readonly<Record<string, unknown>>) => {
    const value = record[by.column] ?? record[before]
    return typeof value === "string" ? value.slice(0, by.length) : null
  }
}

/** Group and text of one record are asked for in turn, so it is parsed once. */
const typed = (definition: StreamDefinition): RowFormat => {
  const groupOf = grouping(definition)
  const textOf = rowText(definition)
  let last: LogRecord | undefined
  let parsed: Readonly<Record<string, unknown>> = {}
  const parse = (record: LogRecord) => {
    if (record === last) return parsed
    parsed = typeof record === "string" ? decode(JSON.parse(record)) : wrongStream()
    last = record
    return parsed
  }
  return {
    group: (record) => groupOf(parse(record)),
    text: (record) => textOf(parse(record)),
    shown: (record) => ({ row: String(record) }),
    groupOfHour: (hour) => `${hour.slice(0, 10)}T${hour.slice(11)}`.slice(0, groupColumn(definition)?.length)
  }
}

export const rowFormat = ({ definition }: AppliedStream): RowFormat =>
  definition.name === weatherStream.definition.name ? weather : typed(definition)
