/** DuckDB's client, patched so that strings keep a leading U+FEFF. Import DuckDB only from here. */
import { textDecoder } from "@duckdb/node-api/lib/vectors/dataAccessors.js"

export {
  BIGINT,
  BLOB,
  DuckDBBlobValue,
  DuckDBInstance,
  DuckDBScalarFunction,
  DuckDBTimestampTZValue,
  type DuckDBType,
  DuckDBTypeId,
  INTEGER,
  JsonDuckDBValueConverter,
  StatementType,
  VARCHAR
} from "@duckdb/node-api"

const exact = new TextDecoder("utf-8", { ignoreBOM: true })

/** The client decodes every string with this one object, which drops a leading U+FEFF as a byte order mark. */
textDecoder.decode = exact.decode.bind(exact)
