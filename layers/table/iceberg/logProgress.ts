/**
 * How far the log is in a table, read from the table alone. Floe writes it into the summary of each of its snapshots, and
 * with the same commit into the table's properties, which outlast the commits and the expiry of other engines. Pure.
 */
import { Option } from "effect"
import type { Progress } from "../../../services/Table.ts"
import * as Metadata from "./Metadata.ts"

const keys = {
  logId: "floe.log.id",
  offset: "floe.log.offset",
  lastEvent: "floe.log.last",
  snapshot: "floe.log.snapshot",
  sequence: "floe.log.sequence"
} as const

/** The properties of a table whose newest snapshot with progress is this one. */
export const propertiesOf = (
  { lastEvent, logId, offset }: Progress,
  snapshot: bigint,
  sequence: number
): Readonly<Record<string, string>> => ({
  [keys.logId]: logId,
  [keys.offset]: String(offset),
  [keys.snapshot]: String(snapshot),
  [keys.sequence]: String(sequence),
  // Empty where there is none: what an earlier commit left must not stay.
  [keys.lastEvent]: lastEvent ?? ""
})

const whole = (text: string | undefined) => (text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined)

/**
 * What the properties say, if the snapshot can have come from the one that they were written with: that one is among its
 * ancestors, or expired together with the ancestors behind the oldest that is kept.
 */
const ofProperties = (
  metadata: Metadata.TableMetadata,
  lineage: ReadonlyArray<Metadata.Snapshot>
): Option.Option<Progress> => {
  const { [keys.lastEvent]: lastEvent, [keys.logId]: logId, [keys.snapshot]: writtenWith } = metadata.properties
  const offset = whole(metadata.properties[keys.offset])
  const sequence = whole(metadata.properties[keys.sequence])
  if (logId === undefined || offset === undefined) return Option.none()
  const isOf = (snapshot: Metadata.Snapshot) => String(snapshot["snapshot-id"]) === writtenWith
  const cut = (lineage.at(-1)?.["parent-snapshot-id"] ?? undefined) !== undefined
  const isLater = sequence !== undefined && sequence > (lineage[0]?.["sequence-number"] ?? 0)
  if (!lineage.some(isOf) && (!cut || isLater || metadata.snapshots.some(isOf))) return Option.none()
  return Option.some({ logId, offset, ...(lastEvent && { lastEvent }) })
}

/** The nearest ancestor that has it wins: after a rollback it says how far the log is in what is there now. */
export const at = (metadata: Metadata.TableMetadata, snapshot: Metadata.Snapshot): Option.Option<Progress> => {
  const lineage = Metadata.ancestorsOf(metadata, snapshot["snapshot-id"])
  for (const one of lineage) {
    const progress = Metadata.progressOf(one)
    if (progress !== undefined) return Option.some(progress)
  }
  return ofProperties(metadata, lineage)
}
