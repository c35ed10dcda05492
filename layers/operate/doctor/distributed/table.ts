/** Checks of the table's place: where the metastore puts tables, and where this one is. */
import { Clock, Effect, Option, Predicate, Stream } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import type { Query } from "../../../../services/Query.ts"
import type { Storage } from "../../../../services/Storage.ts"
import type { Topics } from "../../../../services/Topics.ts"
import { columns } from "../../../../services/Weather.ts"
import { parseShowCreate } from "../../../table/trino/parseShowCreate.ts"
import * as WeatherTable from "../../../table/trino/weatherTable.ts"
import type { RebuildAdvice } from "./rebuildAdvice.ts"

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
  ok: `The metastore puts tables below s3a://${bucket}/default.`,
  needs: ["trino", "metastore", "postgres", "storage"],
  run: Effect.gen(function* () {
    const shown = yield* firstOf(query, "SHOW CREATE SCHEMA iceberg.default")
    const found = /location = '([^']*)'/.exec(shown ?? "")?.[1]
    const wanted = `s3a://${bucket}/default`
    if (found === wanted) return []
    const finding: Finding = {
      finding: `The metastore puts tables of the schema default below ${found ?? "no place"}, and not below ${wanted}.`,
      consequence: "A table that somebody makes there is not where Floe, its copies and its checks look for it.",
      fix: `\`docker exec postgres psql --username hive --dbname hive --command "UPDATE \\"DBS\\" SET \\"DB_LOCATION_URI\\" = '${wanted}' WHERE \\"NAME\\" = 'default'"\`, or set FLOE_S3_BUCKET if the bucket is another one`
    }
    return [finding]
  })
})

interface Parts {
  readonly query: Query["Service"]
  readonly storage: Storage["Service"]
  readonly topics: Topics["Service"]
  readonly topic: string
  readonly bucket: string
  readonly anew: Effect.Effect<RebuildAdvice>
}

/** A table that was dropped: its events are made rows again, unless there are none. */
const dropped = Effect.fnUntraced(function* ({ storage, topics, topic, bucket, anew }: Parts) {
  const log = yield* Effect.orElseSucceed(topics.describe(topic), () => Option.none())
  const isEmpty = Option.match(log, {
    onNone: () => false,
    onSome: ({ partitions }) => partitions.every(({ start, end }) => start === end)
  })
  const makes = isEmpty ? "`floe table create` makes it." : (yield* anew).plain
  const files = yield* Stream.runHead(storage.listAll("default/weather"))
  const away = Option.isNone(files)
    ? ""
    : `Files of an older table are where it is to be: \`docker exec minio mc mv --recursive myminio/${bucket}/default/weather/ myminio/${bucket}/default/weather_files_${yield* Clock.currentTimeMillis}/\` moves them away. Then `
  const finding: Finding = {
    finding: "There is no table default.weather.",
    consequence: "What is logged stays in the topic.",
    fix: `${away}${makes}`
  }
  return [finding]
})

/** Columns beside those that should be there; undefined where these are not as they should be. */
const added = (shown: string) => {
  const found = parseShowCreate(shown).columns
  const wanted = columns.map((column) => `${column} varchar`)
  if (!wanted.every((column, i) => found[i] === column)) return undefined
  const names = found.slice(wanted.length).map((column) => /^\w+/.exec(column)?.[0])
  return names.every((name) => name !== undefined) ? names : undefined
}

/** The cheapest that makes it as it should be. */
const mendOf = Effect.fnUntraced(function* (shown: string, differences: ReadonlyArray<string>, anew: Parts["anew"]) {
  const names = added(shown) ?? []
  if (differences.length > 1 || names.length === 0) return (yield* anew).plain
  const drops = names.map((name) => `\`floe query "ALTER TABLE weather DROP COLUMN ${name}"\``)
  return `${drops.join(" and ")} takes away what was added, with what is in it; nothing else changes.`
})

export const table = (parts: Parts): Check => ({
  name: "table",
  ok: `The table default.weather is there as it should be, at s3a://${parts.bucket}/default/weather.`,
  needs: ["trino", "metastore", "postgres", "storage"],
  run: Effect.gen(function* () {
    const { query, bucket, anew } = parts
    if ((yield* firstOf(query, "SHOW TABLES FROM iceberg.default LIKE 'weather'")) === undefined) {
      return yield* dropped(parts)
    }
    const shown = yield* firstOf(query, `SHOW CREATE TABLE ${WeatherTable.name}`)
    const differences = WeatherTable.differences(shown ?? "", bucket)
    if (differences.length === 0) return []
    const finding: Finding = {
      finding: `The table default.weather is not as it should be: ${differences.join("; ")}.`,
      consequence: "The sink and the queries of Floe are made for the table as it should be.",
      fix: yield* mendOf(shown ?? "", differences, anew)
    }
    return [finding]
  }).pipe(
    Effect.catchIf(
      (error) => /Metadata not found|metadata file/i.test(error.message),
      (error) =>
        Effect.map(parts.anew, ({ plain }) => [
          {
            finding: `The metastore names a file of the table's metadata that is not there: ${error.message}`,
            consequence: "Nothing can be committed to the table, and it cannot be queried.",
            fix: `Put the volumes minio and postgres back from copies of the same moment. Where there are none: \`floe query "DROP TABLE weather"\`, and then ${plain}`
          }
        ])
    )
  )
})
