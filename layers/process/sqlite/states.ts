/** The open windows of a processor in SQLite: those of its file, or a copy of what Kafka has. */
import type { DatabaseSync } from "node:sqlite"
import { Schema } from "effect"
import type { StateRow, States } from "../core/Task.ts"

const Window = Schema.Struct({ key: Schema.String, start: Schema.Int, end: Schema.Int, state: Schema.String })
const decodeWindow = Schema.decodeUnknownSync(Window)

/** Throws errors of SQLite. The database has the tables of `createTables`. */
export const statesIn = (database: DatabaseSync): States => {
  const put = database.prepare(`INSERT OR REPLACE INTO windows (key, start, "end", state) VALUES (?, ?, ?, ?)`)
  // The index of ends stays as it is: half the work of replacing the row.
  const update = database.prepare(`UPDATE windows SET state = ? WHERE key = ? AND start = ? AND "end" = ?`)
  const remove = database.prepare("DELETE FROM windows WHERE key = ? AND start = ?")
  const load = database.prepare(`SELECT key, start, "end", state FROM windows WHERE key = ? ORDER BY start`)
  const some = database.prepare(`SELECT key, start, "end", state FROM windows ORDER BY key, start LIMIT ?`)
  const nextEnd = database.prepare(`SELECT min("end") AS "end" FROM windows`)
  const due = database.prepare(
    `SELECT key, start, "end", state FROM windows WHERE "end" = ? ORDER BY "end", key, start`
  )
  const removeEnd = database.prepare(`DELETE FROM windows WHERE "end" = ?`)
  return {
    put: ({ end, key, start, state }, replaced) => {
      if (replaced === start && update.run(state, key, start, end).changes === 1) return
      if (replaced !== undefined && replaced !== start) remove.run(key, replaced)
      put.run(key, start, end, state)
    },
    remove: (key, start) => void remove.run(key, start),
    load: (key) => load.all(key).map((row) => decodeWindow(row)),
    some: (limit, maxLength) => {
      const rows: Array<StateRow> = []
      let length = 0
      let last: StateRow | undefined
      for (const each of some.iterate(limit + 1)) {
        const row = decodeWindow(each)
        rows.push(row)
        length += row.state.length
        if (rows.length <= limit && length <= maxLength) continue
        last = row
        break
      }
      if (last === undefined) return { rows, isAll: true }
      const { key: cut } = last
      // Of the last key there may be more.
      return { rows: rows.filter(({ key }) => key !== cut), isAll: false }
    },
    nextEnd: () => {
      const end = nextEnd.get()?.end
      return typeof end === "number" ? end : Number.POSITIVE_INFINITY
    },
    due: (end) => due.iterate(end).map((row) => decodeWindow(row)),
    removeEnd: (end) => void removeEnd.run(end)
  }
}
