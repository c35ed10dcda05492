/** Which snapshots a table keeps: all of the newest, then one a minute for an hour, then one an hour. Pure. */

export interface Retention {
  /** The newest so many are all kept. */
  readonly snapshots: number
  /** How far back one an hour is kept, in milliseconds; with 0 only the newest are kept. */
  readonly timeTravel: number
}

interface Aged {
  readonly "timestamp-ms": number
}

const minute = 60_000
const hour = 60 * minute

/**
 * Of snapshots, oldest first, those to keep. The last one of each minute and hour stands for it: the last of an hour is
 * also the last of its minute, so that thinning again and again leaves what thinning once would.
 */
export const thinned = <S extends Aged>(
  snapshots: ReadonlyArray<S>,
  now: number,
  retention: Retention
): ReadonlySet<S> => {
  const newest = snapshots.length - retention.snapshots
  const kept = new Set(snapshots.slice(Math.max(0, newest)))
  const reach = Math.min(hour, retention.timeTravel)
  const last = new Map<string, S>()
  for (const snapshot of snapshots) {
    const at = snapshot["timestamp-ms"]
    if (now - at <= reach) last.set(`m${Math.floor(at / minute)}`, snapshot)
    if (now - at <= retention.timeTravel) last.set(`h${Math.floor(at / hour)}`, snapshot)
  }
  for (const snapshot of last.values()) kept.add(snapshot)
  return kept
}
