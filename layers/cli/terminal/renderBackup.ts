/** The output of `floe backup` and `floe restore`. */
import { type Effect, Schema } from "effect"
import type { BackupManifest, CopyAudit } from "../../../services/Backup.ts"
import { plural } from "../../runtime/plural.ts"
import { size } from "./listing.ts"
import { counted, ticking, withProgress } from "./Progress.ts"

export class CopyDiffers extends Schema.TaggedError<CopyDiffers>()("CopyDiffers", {
  missing: Schema.Int,
  extra: Schema.Int
}) {
  override get message() {
    return `The restored table differs from the restored log: ${plural(this.missing, "row")} missing, ${counted(this.extra)} extra. Run floe audit to see them, or floe rebuild --into <table> to rebuild the table from the log.`
  }
}

export const contents = ({ files, log, streams, table }: BackupManifest) => {
  const events = plural(log.end, "event")
  const share = table?.offset == null ? "" : ` with ${counted(table.offset)} of them`
  const ofTable = table === null ? "no table" : `the table${share} (snapshot ${table.snapshotId})`
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const others = Object.entries(streams ?? {}).map(([name, { end }]) => `${name} (${plural(end, "event")}), `)
  return `${events}, ${ofTable}, ${others.join("")}${plural(files.length, "file")}, ${size(bytes)}`
}

export const audited = (audit: CopyAudit) =>
  `Audit of the copy: ${counted(audit.logged)} logged, ${counted(audit.inTable)} in the table, ${counted(audit.missing)} missing, ${counted(audit.extra)} extra.`

/** Runs an effect with a progress line that is refreshed every second. */
export const showing = <A, E, R>(work: (progress: (step: string) => void) => Effect.Effect<A, E, R>) =>
  withProgress(({ show }) => {
    let doing = "starting"
    return work((step) => {
      doing = step
    }).pipe(ticking(show, () => `${doing}; Ctrl-C stops it`))
  })
