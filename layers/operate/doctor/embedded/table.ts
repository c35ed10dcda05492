/** Check of the table's files: each one exists and is intact. */
import { existsSync } from "node:fs"
import { basename, join } from "node:path"
import { Effect, Option } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { DataFolder } from "../../../../services/DataFolder.ts"
import * as Files from "../../../runtime/files.ts"
import { plural } from "../../../runtime/plural.ts"
import { folderOf } from "../../../sink/StreamSink.ts"
import { describeUndone, discardFlag, undoneByRebuild } from "../../../table/duckdb/undoneByRebuild.ts"
import * as Leases from "../../../table/iceberg/Leases.ts"
import { readMetadata } from "../../../table/iceberg/MetadataFiles.ts"
import { rebuildOf } from "../../../table/iceberg/repairAdvice.ts"
import { readScan } from "../../../table/iceberg/TableScan.ts"
import { type Fault, type VerifiedTable, verifyTable } from "../../../table/iceberg/verifyTable.ts"
import { shellQuoted } from "./shellQuoted.ts"

type Folder = DataFolder["Service"]

const mostNamed = 3

const named = (faults: ReadonlyArray<Fault>) => {
  const some = faults.slice(0, mostNamed).map(({ file, reason }) => `${file} ${reason}`)
  const more = faults.length - some.length
  return `${some.join("; ")}${more > 0 ? `; and ${more} more` : ""}`
}

const restart = "Start the sink (npm start, or node dist/sink.js), or stop it and start it again if it runs."

/** A name that is not taken yet. */
const freeName = (path: string) => {
  for (let i = 1; ; i++) {
    const free = i === 1 ? path : `${path}-${i}`
    if (!existsSync(free)) return free
  }
}

/** A table's folder has the name of its stream. */
const streamOf = DataFolder.useSync(({ table }) => basename(table))

/** Names what a rebuild undoes if other programs have written to the table. */
const rebuild = Effect.gen(function* () {
  const undone = yield* undoneByRebuild((yield* DataFolder).table).pipe(Effect.provide(Leases.layerNone))
  const command = rebuildOf(yield* streamOf)
  if (undone === undefined) return command
  return `${command} ${discardFlag} rebuilds the table from the log and undoes what other programs changed; without ${discardFlag} it changes nothing. ${describeUndone(undone)}`
})

/** For a table that cannot be opened. Nothing is deleted. */
const startOver = ({ root, table }: Folder) =>
  `Move the table away. A sink that runs builds it again from the log, at most 30 s later, without what other programs have written to it or deleted from it; start the sink if none runs: mv ${shellQuoted(table)} ${shellQuoted(freeName(join(root, `${basename(table)}-broken`)))}`

const unreadable = (folder: Folder, finding: string): Finding => ({
  finding,
  consequence: "The table cannot be queried, and the sink does not write it. The log has its rows.",
  fix: startOver(folder)
})

const ofTable = Effect.fnUntraced(function* ({
  files,
  hint,
  manifests,
  older,
  olderSnapshots,
  torn,
  version
}: VerifiedTable) {
  const folder = yield* DataFolder
  const findings: Array<Finding> = []
  if (torn !== undefined) {
    findings.push({
      finding: `The table's newest metadata file ${torn.file} ${torn.reason}, so version ${version} is read.`,
      consequence: "Queries do not see the rows of the newest commit. The log has them.",
      fix: `${restart} It continues from version ${version} and commits what is missing.`
    })
  }
  if (manifests.length > 0) {
    findings.push(unreadable(folder, `The table's current snapshot is incomplete: ${named(manifests)}.`))
  }
  if (files.length > 0) {
    findings.push({
      finding: `The table lacks data that its current snapshot needs: ${named(files)}.`,
      consequence: "Queries and merges that need it fail. The log has its rows.",
      fix: manifests.length > 0 ? startOver(folder) : yield* rebuild
    })
  }
  if (hint !== undefined && torn === undefined && manifests.length === 0) {
    findings.push({
      finding: `The table's ${hint.file} ${hint.reason}.`,
      consequence: "Engines that use it read another version of the table, or find none.",
      fix: `${restart} It writes the file.`
    })
  }
  if (olderSnapshots > 0) {
    findings.push({
      finding: `${plural(olderSnapshots, "older snapshot is", "older snapshots are")} incomplete: ${named(older)}.`,
      consequence: "Only queries with --as-of that read them fail.",
      fix: "Nothing needs to be done: they expire by themselves. floe table snapshots lists those that are kept.",
      warning: true
    })
  }
  return findings
})

/** Deletes and columns of other engines that Floe cannot apply. */
const beyondFloe = Effect.gen(function* () {
  const { table } = yield* DataFolder
  const stream = yield* streamOf
  const current = yield* readMetadata(table)
  if (Option.isNone(current)) return []
  return yield* Effect.as(readScan(table, current.value), []).pipe(
    Effect.catchIf(
      (error) => error._tag === "TableBroken" && error.unsupported === true,
      ({ message }) =>
        Effect.succeed<ReadonlyArray<Finding>>([
          {
            finding: message,
            consequence:
              "floe query and floe audit fail, because they would show rows that another engine deleted, or miss rows.",
            fix: `Let the engine that wrote it rewrite the table's data files: in Spark, CALL system.rewrite_data_files(table => 'default.${stream}', options => map('rewrite-all', 'true')) with write.format.default = parquet.`
          }
        ])
    )
  )
})

/** Without a metadata file there is no table, but its data may still be there. */
const hasData = Effect.gen(function* () {
  const data = join((yield* DataFolder).table, "data")
  for (const partition of yield* Files.list(data)) {
    const files = yield* Effect.orElseSucceed(Files.list(join(data, partition)), () => [])
    if (files.some((name) => name.endsWith(".parquet"))) return true
  }
  return false
})

/** A first commit writes data, then metadata. */
const firstCommit = "1 second"

const check = Effect.gen(function* () {
  const { table } = yield* DataFolder
  let verified = yield* verifyTable(table)
  if (Option.isNone(verified) && (yield* hasData)) {
    yield* Effect.sleep(firstCommit)
    verified = yield* verifyTable(table)
    if (Option.isNone(verified)) {
      const finding: Finding = {
        finding: `The table at ${table} has data files but no metadata.`,
        consequence: "There is no table to query. The log has its rows.",
        fix: `${restart} It builds the table from the log.`
      }
      return [finding]
    }
  }
  if (Option.isNone(verified)) return []
  const findings = yield* ofTable(verified.value)
  return verified.value.manifests.length > 0 ? findings : [...findings, ...(yield* beyondFloe)]
})

const checked = Effect.flatMap(DataFolder, (folder) =>
  check.pipe(
    Effect.catchTag("TableBroken", ({ file, reason }) =>
      Effect.succeed([unreadable(folder, `The table's metadata cannot be used: ${file} ${reason}.`)])
    ),
    Effect.catchIf(
      (error) => error._tag === "TableUnavailable" && ["EISDIR", "ENOTDIR"].includes(Files.codeOf(error.cause) ?? ""),
      (error) => Effect.succeed([unreadable(folder, `The table's metadata cannot be used. ${error.message}`)])
    )
  )
)

export const table = {
  name: "table",
  needs: ["data"],
  ok: "Every file that the table needs exists, with the right size and the right first and last bytes (floe audit reads the rest).",
  run: checked
}

/** Of a stream beside weather. */
export const tableOf = (stream: string) => ({
  name: `table of ${stream}`,
  needs: ["data"],
  ok: `Every file that the table of ${stream} needs exists, with the right size and the right first and last bytes (floe audit --stream ${stream} reads the rest).`,
  run: Effect.flatMap(DataFolder, (folder) => Effect.provideService(checked, DataFolder, folderOf(folder, stream)))
})
