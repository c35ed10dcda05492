/**
 * How much of the log a table holds, read from the table alone. Floe writes it to the summary of each of its snapshots and,
 * in the same commit, to the table's properties, which survive the commits and the snapshot expiry of other engines. Pure.
 */
import { Option } from "effect"
import type { Progress } from "../../../services/TableWriter.ts"
import * as Metadata from "./Metadata.ts"

const keys = {
  logId: "floe.log.id",
  offset: "floe.log.offset",
  lastEvent: "floe.log.last",
  snapshot: "floe.log.snapshot",
  sequence: "floe.log.sequence"
} as const

/** The table properties to write together with this snapshot. */
export const propertiesOf = (
  { lastEvent, logId, offset }: Progress,
  snapshot: bigint,
  sequence: number
): Readonly<Record<string, string>> => ({
  [keys.logId]: logId,
  [keys.offset]: String(offset),
  [keys.snapshot]: String(snapshot),
  [keys.sequence]: String(sequence),
  // An empty value replaces that of an earlier commit.
  [keys.lastEvent]: lastEvent ?? ""
})

const whole = (text: string | undefined) => (text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined)

/**
 * The progress in the properties, if this snapshot can descend from the one that they were written with: that one is among
 * its ancestors, or expired together with the ancestors beyond the oldest one that is kept.
 */
const ofProperties = (
  metadata: Metadata.TableMetadata,
  ancestors: ReadonlyArray<Metadata.Snapshot>
): Option.Option<Progress> => {
  const { [keys.lastEvent]: lastEvent, [keys.logId]: logId, [keys.snapshot]: writtenWith } = metadata.properties
  const offset = whole(metadata.properties[keys.offset])
  const sequence = whole(metadata.properties[keys.sequence])
  if (logId === undefined || offset === undefined) return Option.none()
  const isOf = (snapshot: Metadata.Snapshot) => String(snapshot["snapshot-id"]) === writtenWith
  const isCut = (ancestors.at(-1)?.["parent-snapshot-id"] ?? undefined) !== undefined
  const isLater = sequence !== undefined && sequence > (ancestors[0]?.["sequence-number"] ?? 0)
  if (!ancestors.some(isOf) && (!isCut || isLater || metadata.snapshots.some(isOf))) return Option.none()
  return Option.some({ logId, offset, ...(lastEvent && { lastEvent }) })
}

/** The progress of the nearest ancestor that has one: after a rollback it matches the rows that are there now. */
export const at = (metadata: Metadata.TableMetadata, snapshot: Metadata.Snapshot): Option.Option<Progress> => {
  const ancestors = Metadata.ancestorsOf(metadata, snapshot["snapshot-id"])
  for (const one of ancestors) {
    const progress = Metadata.progressOf(one)
    if (progress !== undefined) return Option.some(progress)
  }
  return ofProperties(metadata, ancestors)
}
