/** Checks of the table's place: where the metastore puts tables, and where this one is. */
import { Effect, Predicate, Stream } from "effect"
import type { Check, Finding } from "../../../services/Checks.ts"
import type { Query } from "../../../services/Query.ts"
import * as WeatherTable from "../../trino/WeatherTable.ts"
import { anew } from "./Anew.ts"

/** The first value, as text. */
const firstOf = (query: Query["Service"], sql: string) =>
  Effect.gen(function* () {
    const { rows } = yield* query.execute(sql)
    const [[value] = []] = yield* Stream.runCollect(rows)
    return Predicate.isString(value) ? value : undefined
  }).pipe(Effect.scoped)

export const snapshots = (query: Query["Service"]) =>
  Effect.map(firstOf(query, `SELECT count(*) FROM iceberg.default."weather$snapshots"`), Number)

export const location = (query: Query["Service"], bucket: string): Check => ({
  name: "location",
  well: `The metastore puts tables below s3a://${bucket}/default.`,
  needs: ["trino", "metastore", "postgres", "storage"],
  run: Effect.gen(function* () {
    const shown = yield* firstOf(query, "SHOW CREATE SCHEMA iceberg.default")
    const found = /location = '([^']*)'/.exec(shown ?? "")?.[1]
    const wanted = `s3a://${bucket}/default`
    if (found === wanted) return []
    const finding: Finding = {
      finding: `The metastore puts tables of the schema default below ${found ?? "no place"}, and not below ${wanted}.`,
      consequence: "A table that somebody makes there is not where Floe, its copies and its checks look for it.",
      mend: `docker exec postgres psql --username hive --dbname hive --command "UPDATE \\"DBS\\" SET \\"DB_LOCATION_URI\\" = '${wanted}' WHERE \\"NAME\\" = 'default'", or set FLOE_S3_BUCKET if the bucket is another one`
    }
    return [finding]
  })
})

export const table = (query: Query["Service"], bucket: string): Check => ({
  name: "table",
  well: `The table default.weather is there as it should be, at s3a://${bucket}/default/weather.`,
  needs: ["trino", "metastore", "postgres", "storage"],
  run: Effect.gen(function* () {
    if ((yield* firstOf(query, "SHOW TABLES FROM iceberg.default LIKE 'weather'")) === undefined) {
      const finding: Finding = {
        finding: "There is no table default.weather.",
        consequence: "What is logged stays in the topic.",
        mend: "floe table create, then floe connector restart"
      }
      return [finding]
    }
    const shown = yield* firstOf(query, `SHOW CREATE TABLE ${WeatherTable.name}`)
    const differences = WeatherTable.differences(shown ?? "", bucket)
    if (differences.length === 0) return []
    const finding: Finding = {
      finding: `The table default.weather is not as it should be: ${differences.join("; ")}.`,
      consequence: "The sink and the queries of Floe are made for the table as it should be.",
      mend: anew
    }
    return [finding]
  }).pipe(
    Effect.catchIf(
      (error) => /Metadata not found|metadata file/i.test(error.message),
      (error) =>
        Effect.succeed([
          {
            finding: `The metastore names a file of the table's metadata that is not there: ${error.message}`,
            consequence: "Nothing can be committed to the table, and it cannot be queried.",
            mend: "Put the volumes minio and postgres back from copies of the same moment; docs/operations.md has what to do where there are none."
          }
        ])
    )
  )
})
