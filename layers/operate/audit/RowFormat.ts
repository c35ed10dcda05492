/** What an audit compares of a stream's records: their group and their text, as services/TableChecksums.ts defines them. */
import { Schema } from "effect"
import type { LogRecord } from "../../../services/EventLog.ts"
import type { AppliedStream, StreamDefinition } from "../../../services/StreamDefinition.ts"
import { groupColumn, type ShownRow, type TableHour, weatherText } from "../../../services/TableChecksums.ts"
import { weatherStream } from "../../../services/Weather.ts"
import { make as specOf } from "../../table/schema/TableSpec.ts"
import { rowText, type ValueOf } from "./rowText.ts"

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

/** Looks under the earlier names of a column too, which older records have. */
const valueIn = (stream: AppliedStream): ValueOf => {
  const { earlierNames } = specOf(stream)
  return (record, column) => {
    const value = record[column]
    if (value !== undefined) return value
    const name = earlierNames.get(stream.ids[column] ?? 0)?.find((name) => record[name] !== undefined)
    return name === undefined ? undefined : record[name]
  }
}

const grouping = (definition: StreamDefinition, valueOf: ValueOf) => {
  const by = groupColumn(definition)
  if (by === undefined) return () => null
  return (record: Readonly<Record<string, unknown>>) => {
    const value = valueOf(record, by.column)
    return typeof value === "string" ? value.slice(0, by.length) : null
  }
}

/** Group and text of one record are asked for in turn, so it is parsed once. */
const typed = (stream: AppliedStream): RowFormat => {
  const { definition } = stream
  const valueOf = valueIn(stream)
  const groupOf = grouping(definition, valueOf)
  const textOf = rowText(definition, valueOf)
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

export const rowFormat = (stream: AppliedStream): RowFormat =>
  stream.definition.name === weatherStream.definition.name ? weather : typed(stream)
