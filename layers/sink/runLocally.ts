/** Whether what a path led to at the start is still there under its name: what is written to anything else is lost. */
import { statSync } from "node:fs"
import { Effect } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import { SinkStopped } from "../../services/Sink.ts"

const identityOf = (path: string) => {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev}:${found.ino}`
}

const unchanged = (path: string, reason: string) => {
  const before = identityOf(path)
  return Effect.suspend(() => (identityOf(path) === before ? Effect.void : Effect.fail(new SinkStopped({ reason }))))
}

export const folderInPlace = ({ root }: DataFolder["Service"]) =>
  unchanged(
    root,
    `The data folder ${root} was moved, removed or replaced while it was written. Put it back, or set FLOE_DATA to where it is, and start again; the log has what was acknowledged.`
  )

export const lockInPlace = ({ sinkLock }: DataFolder["Service"]) =>
  unchanged(
    sinkLock,
    `The lock ${sinkLock} was moved, removed or replaced while the sink held it, so that another sink could start. Start the sink again.`
  )
