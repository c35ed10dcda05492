/** A row's checksum, as services/TableChecksums.ts defines it, in DuckDB's SQL. */
import { checksumDigits, nullText, separator, type TableHour } from "../../../services/TableChecksums.ts"
import { quoted } from "../parquet/literals.ts"

const character = (text: string) => `chr(${text.codePointAt(0)})`
const orNull = (column: string) => `coalesce(${column}, ${character(nullText)})`
const text = `${orNull("city")} || ${character(separator)} || ${orNull("temperature")}`

export const checksum = `('0x' || substr(md5(${text}), 1, ${checksumDigits}))::BIGINT`

export const hourIs = (ts: TableHour) => (ts === null ? "ts IS NULL" : `ts = ${quoted(ts)}`)
