/**
 * Which snapshots may expire. The sink walks from the current snapshot back by its parents until it finds its offsets;
 * where the walk ends before it does, it commits files again that are in the table already.
 */

export interface Ancestor {
  readonly id: string
  readonly parentId: string | null
  /** Milliseconds since 1970, by the clock of whoever committed it. */
  readonly committedAt: number
}

/** From the current snapshot back to the first one whose parent is not kept. */
export const lineage = <A extends Ancestor>(
  snapshots: ReadonlyArray<A>,
  currentId: string | undefined
): ReadonlyArray<A> => {
  const byId = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]))
  const line: Array<A> = []
  for (let next = byId.get(currentId ?? ""); next !== undefined; next = byId.get(next.parentId ?? "")) line.push(next)
  return line
}

export interface Limits {
  /** So many of the newest are kept. */
  readonly keep: number
  /** And so many, to the one in which the sink finds its offsets; 0 if there is none. */
  readonly needed: number
  /** What was committed at this time or later is kept: queries may still read it. Milliseconds since 1970. */
  readonly young: number
}

/** Times of Trino have milliseconds, its clock has more digits. */
const margin = 1_000

/**
 * Snapshots that were committed before this time may expire, and none else. Trino drops the first ancestor that is older
 * together with all before it, so this is the earliest of all that are to be kept: two writers' clocks may differ by up to a
 * minute, and a parent may seem younger than its child.
 */
export const expireBefore = (line: ReadonlyArray<Ancestor>, { keep, needed, young }: Limits) => {
  const oldestYoung = line.findLastIndex(({ committedAt }) => committedAt >= young)
  const kept = line.slice(0, Math.max(keep, needed, oldestYoung + 1))
  return kept.reduce((earliest, { committedAt }) => Math.min(earliest, committedAt - margin), young)
}

/** What Trino expires: of the line all from the first older one on, and whatever else is older. The current one stays. */
export const expiring = <A extends Ancestor>(snapshots: ReadonlyArray<A>, line: ReadonlyArray<A>, before: number) => {
  const older = line.findIndex(({ committedAt }, i) => i > 0 && committedAt < before)
  const kept = new Set(older === -1 ? line : line.slice(0, older))
  const inLine = new Set(line)
  return snapshots.filter((snapshot) => (inLine.has(snapshot) ? !kept.has(snapshot) : snapshot.committedAt < before))
}
