/** Reads the sink's commit from a snapshot's summary. */
import { Option, Schema } from "effect"
import type { SinkCommit } from "../../../services/SinkCommits.ts"

const idProperty = "kafka.connect.commit-id"
/** `kafka.connect.offsets.<control topic>.<consumer group>`; the group of a connector is `connect-<its name>`. */
const offsetsProperty = /^kafka\.connect\.offsets\.(.+?)\.connect-/

const decodeOffsets = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ "0": Schema.Int })))

export const isSinkCommit = (summary: Readonly<Record<string, string>>) => idProperty in summary

/** None if another writer committed the snapshot. */
export const commitOf = (summary: Readonly<Record<string, string>>): Option.Option<SinkCommit> => {
  const id = summary[idProperty]
  if (id === undefined) return Option.none()
  for (const [property, offsets] of Object.entries(summary)) {
    const controlTopic = offsetsProperty.exec(property)?.[1]
    if (controlTopic === undefined) continue
    return Option.map(decodeOffsets(offsets), ({ 0: end }) => ({ id, controlTopic, end }))
  }
  return Option.none()
}
