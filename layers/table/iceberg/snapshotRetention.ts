/** Which snapshots a table keeps: the newest, then one a minute for an hour, then one an hour. Pure. */

export interface SnapshotRetention {
  /** How many of the newest snapshots are all kept. */
  readonly snapshots: number
  /** How far back one snapshot an hour is kept, in milliseconds; 0 keeps only the newest. */
  readonly timeTravel: number
}

interface Timed {
  readonly "timestamp-ms": number
}

const minute = 60_000
const hour = 60 * minute

/**
 * The snapshots to keep; `snapshots` are oldest first, `now` is in milliseconds since 1970. Each minute and hour keeps its
 * last snapshot. The last of an hour is also the last of its minute, so repeated expiry leaves what a single one would.
 */
export const retained = <S extends Timed>(
  snapshots: ReadonlyArray<S>,
  now: number,
  retention: SnapshotRetention
): ReadonlySet<S> => {
  const newest = snapshots.length - retention.snapshots
  const kept = new Set(snapshots.slice(Math.max(0, newest)))
  const minutesUntil = Math.min(hour, retention.timeTravel)
  const last = new Map<string, S>()
  for (const snapshot of snapshots) {
    const at = snapshot["timestamp-ms"]
    if (now - at <= minutesUntil) last.set(`m${Math.floor(at / minute)}`, snapshot)
    if (now - at <= retention.timeTravel) last.set(`h${Math.floor(at / hour)}`, snapshot)
  }
  for (const snapshot of last.values()) kept.add(snapshot)
  return kept
}
