/** The only way to DuckDB: its client, except that no string loses a leading U+FEFF on the way out. */
import { textDecoder } from "@duckdb/node-api/lib/vectors/dataAccessors.js"

export {
  DuckDBInstance,
  DuckDBTimestampTZValue,
  DuckDBTypeId,
  JsonDuckDBValueConverter,
  StatementType
} from "@duckdb/node-api"

const exact = new TextDecoder("utf-8", { ignoreBOM: true })

/** The client decodes every string with this one object, which takes a leading U+FEFF for a byte order mark. */
textDecoder.decode = exact.decode.bind(exact)
