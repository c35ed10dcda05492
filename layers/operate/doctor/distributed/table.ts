/** Checks of where the metastore puts tables, and of the table itself. */
import { Clock, Effect, Option, Predicate, Stream } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { Query } from "../../../../services/Query.ts"
import { Storage } from "../../../../services/Storage.ts"
import { Topics } from "../../../../services/Topics.ts"
import { columns } from "../../../../services/Weather.ts"
import { parseShowCreate } from "../../../table/trino/parseShowCreate.ts"
import * as WeatherTable from "../../../table/trino/weatherTable.ts"
import type { RebuildAdvice } from "./rebuildAdvice.ts"

/** The first value, as text. */
const firstOf = (sql: string) =>
  Effect.gen(function* () {
    const { rows } = yield* (yield* Query).execute(sql)
    const [[value] = []] = yield* Stream.runCollect(rows)
    return Predicate.isString(value) ? value : undefined
  }).pipe(Effect.scoped)

export const snapshots = Effect.map(firstOf(`SELECT count(*) FROM iceberg.default."weather$snapshots"`), Number)

const needs = ["trino", "metastore", "postgres", "storage"]

export const location = (bucket: string) => ({
  name: "location",
  ok: `The metastore puts tables below s3a://${bucket}/default.`,
  needs,
  run: Effect.gen(function* () {
    const statement = yield* firstOf("SHOW CREATE SCHEMA iceberg.default")
    const actual = /location = '([^']*)'/.exec(statement ?? "")?.[1]
    const wanted = `s3a://${bucket}/default`
    if (actual === wanted) return []
    const finding: Finding = {
      finding: `The metastore puts tables of the schema default below ${actual ?? "no place"}, not below ${wanted}.`,
      consequence: "A table created there is not where Floe, its rebuilds and its checks expect it.",
      fix: `\`docker exec postgres psql --username hive --dbname hive --command "UPDATE \\"DBS\\" SET \\"DB_LOCATION_URI\\" = '${wanted}' WHERE \\"NAME\\" = 'default'"\`, or set FLOE_S3_BUCKET if the bucket has another name`
    }
    return [finding]
  })
})

interface Place {
  readonly topic: string
  readonly bucket: string
  readonly advice: Effect.Effect<RebuildAdvice>
}

/** A table that was dropped: it is rebuilt from its events, unless there are none. */
const dropped = Effect.fnUntraced(function* ({ topic, bucket, advice }: Place) {
  const log = yield* Effect.orElseSucceed((yield* Topics).describe(topic), () => Option.none())
  const isEmpty = Option.match(log, {
    onNone: () => false,
    onSome: ({ partitions }) => partitions.every(({ start, end }) => start === end)
  })
  const makes = isEmpty ? "`floe table create` creates it." : (yield* advice).plain
  const files = yield* Stream.runHead((yield* Storage).listAll("default/weather"))
  const away = Option.isNone(files)
    ? ""
    : `Files of an older table are in its place: \`docker exec minio mc mv --recursive myminio/${bucket}/default/weather/ myminio/${bucket}/default/weather_files_${yield* Clock.currentTimeMillis}/\` moves them away. Then `
  const finding: Finding = {
    finding: "There is no table default.weather.",
    consequence: "New events stay in the topic.",
    fix: `${away}${makes}`
  }
  return [finding]
})

/** Columns besides those that should be there; undefined if these differ too. */
const addedColumns = (statement: string) => {
  const actual = parseShowCreate(statement).columns
  const wanted = columns.map((column) => `${column} varchar`)
  if (!wanted.every((column, i) => actual[i] === column)) return undefined
  const names = actual.slice(wanted.length).map((column) => /^\w+/.exec(column)?.[0])
  return names.every((name) => name !== undefined) ? names : undefined
}

/** The cheapest fix. */
const fixOf = Effect.fnUntraced(function* (
  statement: string,
  differences: ReadonlyArray<string>,
  advice: Place["advice"]
) {
  const names = addedColumns(statement) ?? []
  if (differences.length > 1 || names.length === 0) return (yield* advice).plain
  const drops = names.map((name) => `\`floe query "ALTER TABLE weather DROP COLUMN ${name}"\``)
  return `${drops.join(" and ")} drops what was added, with its values; nothing else changes.`
})

export const table = (place: Place) => ({
  name: "table",
  ok: `The table default.weather is at s3a://${place.bucket}/default/weather and has the expected columns and partitioning.`,
  needs,
  run: Effect.gen(function* () {
    const { bucket, advice } = place
    if ((yield* firstOf("SHOW TABLES FROM iceberg.default LIKE 'weather'")) === undefined) {
      return yield* dropped(place)
    }
    const statement = (yield* firstOf(`SHOW CREATE TABLE ${WeatherTable.name}`)) ?? ""
    const differences = WeatherTable.differences(statement, bucket)
    if (differences.length === 0) return []
    const finding: Finding = {
      finding: `The table default.weather differs from what Floe needs: ${differences.join("; ")}.`,
      consequence: "The sink and Floe's queries may fail on it or misread it.",
      fix: yield* fixOf(statement, differences, advice)
    }
    return [finding]
  }).pipe(
    Effect.catchIf(
      (error) => /Metadata not found|metadata file/i.test(error.message),
      (error) =>
        Effect.map(place.advice, ({ plain }) => [
          {
            finding: `The metastore points to a metadata file of the table that does not exist: ${error.message}`,
            consequence: "Nothing can be committed to the table, and it cannot be queried.",
            fix: `Restore the volumes minio and postgres from copies of the same moment. If there are none: \`floe query "DROP TABLE weather"\`, and then ${plain}`
          }
        ])
    )
  )
})
