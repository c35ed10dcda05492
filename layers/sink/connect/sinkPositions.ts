/**
 * Computes the log positions of a commit from the control events before its end (Iceberg 1.9.2).
 *
 * In one transaction a task writes the names of its files (DATA_WRITTEN) and then its position in each partition
 * (DATA_COMPLETE). The coordinator commits the files of all events that it has read, whichever commit they answer; this
 * includes a task that was late for the previous commit, and a commit that timed out before all tasks had answered. So the
 * table has exactly the events up to each partition's last DATA_COMPLETE before the end, unless the end falls between a
 * task's files and its DATA_COMPLETE.
 */
import type { Position } from "../../../services/EventLog.ts"
import type { ControlEvent } from "./controlEvents.ts"

interface Sink {
  /** By partition; a partition that is named without an offset has no entry. */
  readonly offsets: Map<number, number>
  /** Tasks with files but no DATA_COMPLETE yet, by the key of their messages. */
  readonly writing: Set<string>
}

/** `unknown`: earlier events may show the positions. `unclear`: no event does. */
export type Lookup = ReadonlyArray<Position> | "unknown" | "unclear"

/** `partitions` is the log's number of partitions; `complete` is true if the events start with the topic's first one. */
export const make = (topic: string, partitions: number, complete: boolean) => {
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

  const positions = (commitId: string): Lookup => {
    const group = groups.get(commitId)
    if (group === undefined) return complete ? "unclear" : "unknown"
    const { offsets, writing } = sinkOf(group)
    if (writing.size > 0) return "unclear"
    const result: Array<Position> = []
    for (let partition = 0; partition < partitions; partition++) {
      const offset = offsets.get(partition) ?? (complete ? 0 : undefined)
      if (offset === undefined) return "unknown"
      result.push({ partition, offset })
    }
    return result
  }

  return { add, positions }
}
