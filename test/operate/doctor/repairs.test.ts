/** Real damage to a data folder: `floe doctor` reports it, and following its advice leaves nothing to report. */

import { execFileSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import {
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option, Schedule, Schema } from "effect"
import * as EventLogLayer from "../../../layers/log/sqlite/EventLog.ts"
import { at } from "../../../layers/runtime/DataFolder.ts"
import { EventLog } from "../../../services/EventLog.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"
import { readAvro } from "../../support/icebergTable.ts"
import { icebirdRows, sorted } from "../../support/icebirdReader.ts"
import { inProcess, programs } from "../../support/inProcess.ts"
import { readTable } from "../../support/readTable.ts"
import { reading } from "../../support/weatherTable.ts"

interface Place {
  readonly data: string
  readonly table: string
  readonly env: Record<string, string>
  /** A copy of what was there before the damage, for the next row. */
  readonly whole: string
  /** What `floe backup` made of it. */
  readonly backup: string
}

const records = ["Oslo", "Lima", "Pune", "Rome", "Kiel", "Bern"].map((city, i) =>
  reading(city, `${i}.5`, i < 3 ? "2026-01-08-14" : "2026-01-08-15")
)

const logFiles = ["log.db", "log.db-wal", "log.end"]

const copyLog = (from: string, to: string) => {
  for (const name of logFiles) cpSync(join(from, name), join(to, name))
}

/** The log's files as they are while it is open are copied to `crashed`. */
const appended = (data: string, some: typeof records, crashed: string) =>
  Effect.forEach(some, (record) => Effect.flatMap(EventLog, (log) => log.append({ records: [record] }))).pipe(
    Effect.andThen(Effect.sync(() => copyLog(data, crashed))),
    Effect.provide(Layer.fresh(EventLogLayer.layer)),
    Effect.provide(Layer.fresh(at(data)))
  )

const Report = Schema.fromJsonString(
  Schema.Struct({
    healthy: Schema.Boolean,
    checks: Schema.Array(
      Schema.Struct({
        name: Schema.String,
        findings: Schema.Array(
          Schema.Struct({
            finding: Schema.String,
            consequence: Schema.String,
            fix: Schema.String,
            warning: Schema.optionalKey(Schema.Boolean)
          })
        )
      })
    )
  })
)

const doctor = Effect.fnUntraced(function* ({ env }: Pick<Place, "env">) {
  const { code, err, out } = yield* inProcess(["doctor", "--json"], env)
  const report = yield* Effect.try({
    try: () => Schema.decodeUnknownSync(Report)(out),
    catch: () => new Error(`${err}\n${out}`)
  })
  // The disk of a machine may be full for real.
  const found = report.checks
    .filter(({ name }) => name !== "disk")
    .flatMap(({ name, findings }) => findings.map((one) => ({ check: name, ...one })))
  return { code, found, failures: found.filter(({ warning }) => warning !== true) }
})
type Found = Effect.Success<ReturnType<typeof doctor>>["found"][number]

const untilHealthy = (place: Pick<Place, "env">) =>
  doctor(place).pipe(
    Effect.repeat({ schedule: Schedule.spaced("50 millis"), until: ({ failures }) => failures.length === 0 }),
    Effect.timeoutOrElse({
      duration: "10 seconds",
      orElse: () =>
        Effect.flatMap(doctor(place), ({ failures }) => Effect.fail(new Error(JSON.stringify(failures, null, 2))))
    })
  )

const committed = ({ table }: Place, rows: typeof records) =>
  Effect.flatMap(readTable(table), (found) =>
    Effect.succeed(Option.isSome(found) && found.value.progress?.offset === rows.length)
  ).pipe(
    Effect.orElseSucceed(() => false),
    Effect.repeat({ schedule: Schedule.spaced("20 millis"), until: (_) => _ }),
    Effect.timeout("10 seconds")
  )

const started = (place: Place) => programs(place.env)

/** A log and a table of three commits, two of them in one hour. */
const installation = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const data = join(folder, "data")
  const table = join(data, "warehouse", "default", "weather")
  const env = { FLOE_DATA: data, FLOE_PORT: "0", FLOE_COMMIT_INTERVAL: "20 millis", FLOE_LOG_FORMAT: "json" }
  const place: Place = { data, table, env, whole: join(folder, "whole"), backup: join(folder, "backup") }
  for (const end of [2, 4, 6]) {
    yield* appended(data, records.slice(end - 2, end), join(folder, "crashed"))
    yield* Effect.scoped(Effect.andThen(started(place), committed(place, records.slice(0, end))))
  }
  // Unless the sink has done so: an older snapshot then needs files that the current one does not.
  const maintained = yield* inProcess(["maintain"], env)
  assert.strictEqual(maintained.code, 0, maintained.err)
  // As after a crash: the newest events are in the WAL alone.
  copyLog(join(folder, "crashed"), data)
  cpSync(data, place.whole, { recursive: true, preserveTimestamps: true })
  const { code, err } = yield* inProcess(["backup", place.backup], env)
  assert.strictEqual(code, 0, err)
  return place
})

const replace = ({ data, whole }: Place) => {
  rmSync(data, { recursive: true, force: true })
  cpSync(whole, data, { recursive: true, preserveTimestamps: true })
}

/** One bit of a file, at a place in it, from its end, or of a text in it. */
const flip = (path: string, at: number | string) => {
  const bytes = readFileSync(path)
  const i = typeof at === "string" ? bytes.indexOf(at) : at < 0 ? bytes.length + at : at
  assert.isAtLeast(i, 0)
  bytes[i] = (bytes[i] ?? 0) ^ 0x04
  writeFileSync(path, bytes)
}

const asFolder = (path: string) => {
  rmSync(path, { force: true })
  mkdirSync(path)
}

const metadata = ({ table }: Place) => join(table, "metadata")
const versions = (place: Place) =>
  readdirSync(metadata(place))
    .filter((name) => name.endsWith(".metadata.json"))
    .sort((a, b) => Number.parseInt(a.slice(1), 10) - Number.parseInt(b.slice(1), 10))
    .map((name) => join(metadata(place), name))
const newest = (place: Place) => versions(place).at(-1) ?? ""

const Snapshots = Schema.fromJsonString(
  Schema.Struct({ snapshots: Schema.Array(Schema.Struct({ "manifest-list": Schema.String })) })
)
/** The manifest lists of the snapshots, oldest first. */
const lists = (place: Place) =>
  Schema.decodeUnknownSync(Snapshots)(readFileSync(newest(place), "utf8")).snapshots.map((_) => _["manifest-list"])
const list = (place: Place) => lists(place).at(-1) ?? ""

const decodeManifests = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ manifest_path: Schema.String })))
const decodeEntries = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ status: Schema.Int, data_file: Schema.Struct({ file_path: Schema.String }) }))
)
const manifestsOf = (path: string) => decodeManifests(readAvro(path).records).map((_) => _.manifest_path)
const dataFilesOf = (path: string) =>
  manifestsOf(path).flatMap((manifest) =>
    decodeEntries(readAvro(manifest).records)
      .filter(({ status }) => status !== 2)
      .map((_) => _.data_file.file_path)
  )
const manifest = (place: Place) =>
  manifestsOf(list(place)).find((path) => decodeEntries(readAvro(path).records).some(({ status }) => status !== 2)) ??
  ""
const dataFile = (place: Place) => dataFilesOf(list(place))[0] ?? ""
/** How many older snapshots need data files that the current one does not: the sink's own upkeep may have added one. */
const needingMore = (place: Place) => {
  const current = new Set(dataFilesOf(list(place)))
  return lists(place).filter((one) => dataFilesOf(one).some((path) => !current.has(path))).length
}
/** A data file that only older snapshots need. */
const oldDataFile = (place: Place) => {
  const current = dataFilesOf(list(place))
  return (
    lists(place)
      .flatMap(dataFilesOf)
      .find((path) => !current.includes(path)) ?? ""
  )
}

interface Row {
  readonly name: string
  readonly damage: (place: Place) => void
  /** What it reports of the damage, by check, besides that nothing runs; nothing if there is nothing to repair. */
  readonly reports: Readonly<Record<string, RegExp>>
  readonly warns?: RegExp | ((place: Place) => RegExp)
  /** The same advice as in the row before: not followed once more. */
  readonly same?: boolean
  /** Nothing is left of the log, so a new one begins. */
  readonly empty?: boolean
}

type Kind = "missing" | "emptied" | "cut" | "flipped" | "folder"

/** A file in each way in which it can be missing or changed; `flipped` is where one bit is. */
const damages = (
  what: string,
  path: (place: Place) => string,
  flipped: number | string,
  reports: Readonly<Record<Kind, RegExp | Pick<Row, "reports" | "warns">>>,
  check = "table"
): ReadonlyArray<Row> => {
  const damage: Record<Kind, (path: string) => void> = {
    missing: (path) => rmSync(path),
    emptied: (path) => truncateSync(path, 0),
    cut: (path) => truncateSync(path, Math.floor(statSync(path).size / 2)),
    flipped: (path) => flip(path, flipped),
    folder: asFolder
  }
  const kinds: ReadonlyArray<Kind> = ["missing", "emptied", "cut", "flipped", "folder"]
  let before = ""
  return kinds.map((kind) => {
    const reported = reports[kind]
    const row = reported instanceof RegExp ? { reports: { [check]: reported } } : reported
    const pattern = reported instanceof RegExp ? reported.source.slice(0, 40) : Object.keys(reported).join()
    const same = pattern === before
    before = pattern
    return { name: `${what}: ${kind}`, damage: (place) => damage[kind](path(place)), same, ...row }
  })
}

const lacks = (reason: string) =>
  new RegExp(`^The table lacks data that its current snapshot needs: data/ts=\\S+\\.parquet ${reason}\\.$`)
const incomplete = (reason: string) =>
  new RegExp(`^The table's current snapshot is incomplete: metadata/\\S+\\.avro ${reason}.*\\.$`)
const torn = /^The table's newest metadata file metadata\/v\d\.metadata\.json .*, so version \d is read\.$/
const unusable = (reason: string) => new RegExp(`^The table's metadata cannot be used.*${reason}`)
const hinted = (reason: string) => new RegExp(`^The table's metadata/version-hint\\.text ${reason}.*\\.$`)
const brokenLog = (reason: string) => new RegExp(`^The event log is corrupt at partition 0, offset \\d+: .*${reason}`)
const nothing = { reports: {} }

const rows: ReadonlyArray<Row> = [
  { name: "nothing", damage: () => {}, reports: {} },
  ...damages("data file", dataFile, -1, {
    missing: lacks("is missing"),
    emptied: lacks("has 0 bytes instead of \\d+"),
    cut: lacks("has \\d+ bytes instead of \\d+"),
    flipped: lacks("is damaged: it is not a Parquet file"),
    folder: lacks("is a folder, not a file")
  }),
  ...damages("manifest", manifest, -1, {
    missing: incomplete("is missing"),
    emptied: incomplete("has 0 bytes instead of \\d+"),
    cut: incomplete("has \\d+ bytes instead of \\d+"),
    flipped: incomplete("cannot be read"),
    folder: incomplete("is a folder, not a file")
  }),
  ...damages("manifest list", list, -1, {
    missing: torn,
    emptied: incomplete("cannot be read"),
    cut: incomplete("cannot be read"),
    flipped: incomplete("cannot be read"),
    folder: incomplete("it is a folder, but must be a file")
  }),
  ...damages("newest metadata", newest, 0, {
    missing: hinted('contains "\\d", not \\d'),
    emptied: torn,
    cut: torn,
    flipped: unusable("cannot be read: Unexpected token"),
    folder: unusable("it is a folder, but must be a file")
  }),
  ...damages("older metadata", (place) => versions(place)[0] ?? "", 0, {
    missing: nothing,
    emptied: nothing,
    cut: nothing,
    flipped: nothing,
    folder: nothing
  }),
  ...damages("hint", ({ table }) => join(table, "metadata", "version-hint.text"), 0, {
    missing: hinted("is missing"),
    emptied: hinted('contains ""'),
    cut: hinted('contains ""'),
    flipped: hinted('contains "'),
    folder: hinted("cannot be read: it is a folder")
  }),
  ...damages("data file of an older snapshot", oldDataFile, -1, {
    missing: { reports: {}, warns: /^\d older snapshots are incomplete: data\/ts=\S+\.parquet is missing\.$/ },
    emptied: { reports: {}, warns: /has 0 bytes instead of/ },
    cut: { reports: {}, warns: /bytes instead of/ },
    flipped: { reports: {}, warns: /is damaged/ },
    folder: { reports: {}, warns: /is a folder, not a file/ }
  }),
  ...damages("manifest list of an older snapshot", (place) => lists(place)[0] ?? "", -1, {
    missing: { reports: {}, warns: /^1 older snapshot is incomplete: metadata\/snap-\S+\.avro is missing\.$/ },
    emptied: { reports: {}, warns: /cannot be read/ },
    cut: { reports: {}, warns: /cannot be read/ },
    flipped: { reports: {}, warns: /cannot be read/ },
    folder: { reports: {}, warns: /it is a folder, but must be a file/ }
  }),
  {
    name: "the table's metadata folder is missing",
    damage: (place) => rmSync(metadata(place), { recursive: true }),
    reports: { table: /^The table at .* has data files but no metadata\.$/ }
  },
  {
    name: "the table's data folder is missing",
    damage: ({ table }) => rmSync(join(table, "data"), { recursive: true }),
    reports: { table: lacks("is missing.*") },
    warns: (place) => new RegExp(`^${needingMore(place)} older snapshots are incomplete`)
  },
  { name: "the table is missing", damage: ({ table }) => rmSync(table, { recursive: true }), reports: {} },
  ...damages(
    "log",
    ({ data }) => {
      const database = new DatabaseSync(join(data, "log.db"))
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)")
      database.close()
      return join(data, "log.db")
    },
    "Oslo",
    {
      missing: brokenLog("log.db is missing or empty"),
      emptied: brokenLog("log.db is missing or empty"),
      cut: brokenLog(""),
      flipped: brokenLog(""),
      folder: brokenLog("")
    },
    "log"
  ),
  {
    name: "the data folder is missing",
    damage: ({ data }) => rmSync(data, { recursive: true }),
    reports: { data: /^The data folder .* does not exist\.$/ },
    empty: true
  },
  ...damages(
    "the log's WAL",
    ({ data }) => join(data, "log.db-wal"),
    "Kiel",
    {
      missing: brokenLog("the log ends here, but the events before offset 6 were acknowledged"),
      emptied: brokenLog("the log ends here"),
      cut: brokenLog("the log ends here"),
      flipped: brokenLog("the log ends here"),
      folder: brokenLog("log.db-wal is a folder")
    },
    "log"
  ),
  ...damages(
    "log.end",
    ({ data }) => join(data, "log.end"),
    0,
    {
      missing: /log\.end is missing: without it, Floe cannot tell whether the log has lost its newest events/,
      emptied: nothing,
      cut: nothing,
      flipped: nothing,
      folder: brokenLog("log.end")
    },
    "log"
  ),
  ...damages(
    "control.db",
    ({ data }) => join(data, "control.db"),
    0,
    {
      missing: nothing,
      emptied: nothing,
      cut: /^The file through which other programs control the sink cannot be used: .*control\.db/,
      flipped: /^The file through which other programs control the sink cannot be used: .*control\.db/,
      folder: /^The file through which other programs control the sink cannot be used: .*control\.db/
    },
    "sink"
  ),
  ...["server.lock", "sink.lock", "replay.lock"].flatMap(
    (lock): ReadonlyArray<Row> => [
      {
        name: `${lock}: missing`,
        damage: ({ data }) => rmSync(join(data, lock), { force: true }),
        reports: {},
        same: true
      },
      {
        name: `${lock}: another file`,
        damage: ({ data }) => writeFileSync(join(data, lock), "1234"),
        reports: { folder: /^The lock \S+ is not a lock: the file holds something else\.$/ }
      },
      {
        name: `${lock}: a folder`,
        damage: ({ data }) => asFolder(join(data, lock)),
        reports: { folder: /^The lock \S+ is a folder, but must be a file\.$/ },
        same: lock !== "sink.lock"
      }
    ]
  ),
  // Only root may give files away.
  ...(process.getuid?.() === 0
    ? [
        {
          name: "a folder of another user",
          damage: ({ table }: Place) => chownSync(table, 12_345, 12_345),
          reports: { folder: /belongs to user \d+, but \S+ to another user\.$/ }
        }
      ]
    : [])
]

/** Does what is advised; what is to be started is started when all else is done. */
const follow = Effect.fnUntraced(function* (place: Place, { fix }: Found) {
  const shell = /(?:^|: )((?:mv|rm|touch|sudo chown) .*)$/.exec(fix)?.[1]
  if (shell !== undefined) return void execFileSync("sh", ["-c", shell.replace(/^sudo /, "")])
  const command = /^floe ([^.]*)$/.exec(fix)?.[1]
  if (command !== undefined) {
    const { code, err } = yield* inProcess(command.split(" "), place.env)
    return assert.strictEqual(code, 0, err)
  }
  if (fix.includes("move the data folder away, and restore the newest backup: floe restore <folder>")) {
    renameSync(place.data, join(dirname(place.data), `away-${randomUUID()}`))
    const { code, err } = yield* inProcess(["restore", place.backup], place.env)
    return assert.strictEqual(code, 0, err)
  }
  assert.match(fix, /npm start/)
})

/** What is wrong beside that nothing runs. */
const damageOf = ({ reports }: Row, failures: ReadonlyArray<Found>) =>
  failures.filter(({ check }) => reports[check] !== undefined || !["server", "sink"].includes(check))

const assertReports = (
  row: Row,
  place: Place,
  { code, found, failures }: Effect.Success<ReturnType<typeof doctor>>
) => {
  const damage = damageOf(row, failures)
  const about = `${row.name}: ${JSON.stringify(failures, null, 1)}`
  // Nothing runs.
  assert.strictEqual(code, 1, about)
  assert.deepStrictEqual([...new Set(damage.map(({ check }) => check))], Object.keys(row.reports), about)
  for (const { check, consequence, finding } of damage) {
    assert.match(finding, row.reports[check] ?? /never/, row.name)
    assert.match(consequence, /^[A-Z].*\.$/, row.name)
  }
  const warnings = found.filter(({ warning }) => warning === true)
  assert.strictEqual(warnings.length, row.warns === undefined ? 0 : 1, about)
  const warns = typeof row.warns === "function" ? row.warns(place) : row.warns
  if (warns !== undefined) assert.match(warnings[0]?.finding ?? "", warns, row.name)
}

/** Everything runs again, and there is nothing left to report. */
const assertRepaired = Effect.fnUntraced(function* (row: Row, place: Place) {
  yield* started(place)
  yield* untilHealthy(place)
  if (row.empty) return
  yield* committed(place, records)
  for (const command of ["maintain", "doctor", "audit"]) {
    const { code, err } = yield* inProcess([command], place.env)
    // The disk of a machine may be full for real.
    assert.isTrue(code === 0 || err === "Checks failed: disk.", `${row.name}: ${command}: ${err}`)
  }
  assert.deepStrictEqual(sorted(yield* icebirdRows(place.table)), sorted(records), row.name)
}, Effect.scoped)

it.live(
  "each kind of damage is named with what follows and what repairs it, and once that is done nothing is wrong",
  () =>
    Effect.gen(function* () {
      const place = yield* installation
      for (const row of rows) {
        replace(place)
        row.damage(place)
        const examined = yield* doctor(place)
        assertReports(row, place, examined)
        if (row.same) continue
        for (const one of examined.failures) yield* follow(place, one)
        yield* assertRepaired(row, place)
      }
    }).pipe(Effect.scoped),
  240_000
)
