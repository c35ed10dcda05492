/** Names that are allowed, and that every SQL query must quote. */
import type { StreamDefinition } from "../../services/StreamDefinition.ts"
import { type Fault, sentenceOf } from "./Fault.ts"

const words = (text: string) => new Set(text.trim().split(/\s+/))

/** What DuckDB 1.5.5 does not take as the name of a column; `duckdb_keywords()` lists the candidates. */
const duckdb = words(`
  all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by case cast check
  collate collation column concurrently constraint create cross default deferrable desc describe distinct do else
  end except false fetch for foreign freeze from full glob group having ilike in initially inner intersect into is
  isnull join lambda lateral leading left like limit natural not notnull null offset on only or order outer
  overlaps pivot pivot_longer pivot_wider placing positional primary qualify references returning right select
  semi show similar some summarize symmetric table tablesample then to trailing true union unique unpack unpivot
  using variadic verbose when where window with
`)

/** Trino's reserved keywords (trino.io/docs/476/language/reserved.html). */
const trino = words(`
  alter and as between by case cast constraint create cross cube current_catalog current_date current_path
  current_role current_schema current_time current_timestamp current_user deallocate delete describe distinct drop
  else end escape except execute exists extract false for from full group grouping having in inner insert
  intersect into is join json_array json_exists json_object json_query json_table json_value left like listagg
  localtime localtimestamp natural normalize not null on or order outer prepare recursive right rollup select skip
  table then trim true uescape union unnest using values when where with
`)

const engines = [
  ["DuckDB (floe query)", duckdb],
  ["Trino", trino]
] as const

const warningOf = (name: string): Fault | undefined => {
  const reserving = engines.flatMap(([engine, reserved]) => (reserved.has(name.toLowerCase()) ? [engine] : []))
  if (reserving.length === 0) return undefined
  const verb = reserving.length === 1 ? "reserves" : "reserve"
  return {
    path: name,
    sentence: `${reserving.join(" and ")} ${verb} this name, so that a query must quote it ("${name}"); choose another name, for example ${name}_value`
  }
}

/** A sentence for each column whose name an engine reserves. */
export const reservedNames = ({ name, columns }: StreamDefinition): ReadonlyArray<string> =>
  columns.flatMap((column) => {
    const warning = warningOf(column.name)
    return warning === undefined ? [] : [sentenceOf(name, warning)]
  })
