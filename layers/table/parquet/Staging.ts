/** Where records wait until they are written to Parquet files. */
import type { Effect } from "effect"
import type { LogRecord } from "../../../services/EventLog.ts"
import type { TableUnavailable } from "../../../services/TableWriter.ts"
import type { TableSpec } from "../schema/TableSpec.ts"

export interface Staging {
  /** Stages all of the records or, on failure, none. */
  readonly append: (records: ReadonlyArray<LogRecord>) => Promise<void>
  /** How many rows, and about how many bytes, are staged. */
  readonly staged: () => { readonly rows: number; readonly bytes: number }
  /** Parts of a FROM clause that together give all staged rows, each those of a bounded number of partitions. */
  readonly sources: (spec: TableSpec) => Effect.Effect<ReadonlyArray<string>, TableUnavailable>
  /** Drops the staged rows. */
  readonly clear: (operation: string) => Effect.Effect<void, TableUnavailable>
}
