/** The state of each processor as a view `<processor>_state`, which exists only in the statement that names it. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { DataFolder } from "../../../services/DataFolder.ts"
import { QueryUnavailable } from "../../../services/Query.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { firstVersion } from "../../declaration/assignIds.ts"
import { builtIn } from "../../declaration/builtIn.ts"
import { processorState, stateColumns, writeStates } from "../../process/sqlite/stateLines.ts"
import { readLines } from "../parquet/linesSql.ts"
import * as TableSpec from "../schema/TableSpec.ts"
import { mentions } from "./otherTables.ts"
import type { NamedTable } from "./QueryEngine.ts"

/** More than a state can have. */
const maxLine = 16 * 1024 * 1024

const unavailable = (cause: unknown) =>
  new QueryUnavailable({ reason: cause instanceof Error ? cause.message.replace(/\.$/, "") : String(cause), cause })

/** Those that the statement names, copied for as long as the scope lives. */
export const stateTables = Effect.fnUntraced(function* (sql: string, streams: ReadonlyArray<AppliedStream>) {
  const folder = yield* DataFolder
  const writers = new Set(streams.flatMap(({ definition }) => definition.writer ?? []))
  const named = [...writers].filter((name) => mentions(sql, `${name}_state`))
  if (named.length === 0) return []
  const temporary = yield* Effect.acquireRelease(
    Effect.try({ try: () => mkdtempSync(join(tmpdir(), "floe-state-")), catch: unavailable }),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  return yield* Effect.forEach(named, (name) =>
    Effect.try({
      try: (): NamedTable => {
        const known = builtIn.processors?.find((processor) => processor.name === name)
        const definition = processorState(folder, name)?.definition ?? known
        if (definition === undefined) throw new Error(`the processor ${name} has not begun; npm start runs it`)
        const path = join(temporary, `${name}.ndjson`)
        writeStates(folder, name, definition.kind === "window", path)
        const view = { name: `${name}_state`, columns: stateColumns(definition), key: null, partitionBy: [] }
        const spec = TableSpec.make(firstVersion(view, 0))
        return {
          name: view.name,
          rows: { files: [], lines: path, byId: [], select: `SELECT * FROM ${readLines(spec, path, maxLine)}` }
        }
      },
      catch: unavailable
    })
  )
})
