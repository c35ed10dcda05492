/**
 * How far the log was in the table, out of the events before the end of a commit (Iceberg 1.9.2).
 *
 * A task writes its files' names (DATA_WRITTEN) and then how far it has read each of its partitions (DATA_COMPLETE) in
 * one transaction, and the coordinator commits the files of all the events it has read, whichever commit they answer:
 * so also of a task that was too late for the one before, and where it did not wait for all (a time-out). What a
 * partition's last DATA_COMPLETE before the end says is therefore in the table, and nothing beyond it, unless the end
 * came between a task's files and its DATA_COMPLETE.
 */
import type { Position } from "../../../services/EventLog.ts"
import type { ControlEvent } from "./controlEvents.ts"

interface Sink {
  /** By partition; of one that is only named without an offset there is nothing. */
  readonly offsets: Map<number, number>
  /** Tasks of which there are files without their DATA_COMPLETE; a task's messages have one key. */
  readonly writing: Set<string>
}

/** `unknown`: events before those that were read may tell. `unclear`: none will. */
export type Found = ReadonlyArray<Position> | "unknown" | "unclear"

/** `partitions`: of the log. `complete`: the first event is the first that ever was. */
export const make = (topic: string, partitions: number, complete: boolean) => {
  /** By the connector's consumer group, as several may share a control topic. */
  const sinks = new Map<string, Sink>()
  const groups = new Map<string, string>()

  const sinkOf = (group: string) => {
    const known = sinks.get(group)
    if (known !== undefined) return known
    const sink: Sink = { offsets: new Map(), writing: new Set() }
    sinks.set(group, sink)
    return sink
  }

  const add = (task: string, { kind, group, commitId, assignments }: ControlEvent) => {
    if (kind === "StartCommit") groups.set(commitId, group)
    if (kind === "DataWritten") sinkOf(group).writing.add(task)
    if (kind !== "DataComplete") return
    const { offsets, writing } = sinkOf(group)
    writing.delete(task)
    for (const { topic: name, partition, offset } of assignments) {
      if (name === topic && offset !== null) offsets.set(partition, offset)
    }
  }

  /** Of a commit that ends here. */
  const positions = (commitId: string): Found => {
    const group = groups.get(commitId)
    if (group === undefined) return complete ? "unclear" : "unknown"
    const { offsets, writing } = sinkOf(group)
    if (writing.size > 0) return "unclear"
    const found: Array<Position> = []
    for (let partition = 0; partition < partitions; partition++) {
      const offset = offsets.get(partition) ?? (complete ? 0 : undefined)
      if (offset === undefined) return "unknown"
      found.push({ partition, offset })
    }
    return found
  }

  return { add, positions }
}
