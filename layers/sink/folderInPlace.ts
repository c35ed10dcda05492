/** Checks that a path still leads to the file it led to at the start: anything written elsewhere is lost. */
import { statSync } from "node:fs"
import { Effect } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { SinkStopped } from "./SinkStopped.ts"

const identityOf = (path: string) => {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined ? undefined : `${stats.dev}:${stats.ino}`
}

const unchanged = (path: string, reason: string) => {
  const before = identityOf(path)
  return Effect.suspend(() => (identityOf(path) === before ? Effect.void : Effect.fail(new SinkStopped({ reason }))))
}

/** A check that fails once the data folder was moved, removed or replaced. */
export const folderInPlace = DataFolder.useSync(({ root }) =>
  unchanged(
    root,
    `The data folder ${root} was moved, removed or replaced while the sink was writing to it. Put it back, or set FLOE_DATA to its new place, and restart; the log has all acknowledged events.`
  )
)

/** A check that fails once the sink's lock file was moved, removed or replaced. */
export const lockInPlace = DataFolder.useSync(({ sinkLock }) =>
  unchanged(
    sinkLock,
    `The lock ${sinkLock} was moved, removed or replaced while the sink held it, so a second sink could start. Restart the sink.`
  )
)
