/**
 * Decides which snapshots may expire. The sink walks from the current snapshot back through its parents until it finds
 * its offsets; if the chain ends first, it commits files again that the table already has.
 */

export interface Ancestor {
  readonly id: string
  readonly parentId: string | null
  /** Milliseconds since 1970, by the writer's clock. */
  readonly committedAt: number
}

/** From the current snapshot back to the first one whose parent is gone. */
export const snapshotChain = <A extends Ancestor>(
  snapshots: ReadonlyArray<A>,
  currentId: string | undefined
): ReadonlyArray<A> => {
  const byId = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]))
  const chain: Array<A> = []
  for (let next = byId.get(currentId ?? ""); next !== undefined; next = byId.get(next.parentId ?? "")) chain.push(next)
  return chain
}

export interface Limits {
  /** How many of the newest snapshots to keep. */
  readonly keep: number
  /** How many to keep so that the sink finds its offsets; 0 if no snapshot has them. */
  readonly needed: number
  /** Snapshots from this time on are kept, as queries may still read them. Milliseconds since 1970. */
  readonly young: number
}

/** Trino reports milliseconds; its clock has more digits. */
const margin = 1_000

/**
 * Only snapshots committed before this time may expire. Trino drops the first ancestor that is older, with every snapshot
 * before it, so the result is the earliest time of all snapshots to keep: the clocks of two writers may differ by up to a
 * minute, and a parent may look younger than its child.
 */
export const expireBefore = (chain: ReadonlyArray<Ancestor>, { keep, needed, young }: Limits) => {
  const oldestYoung = chain.findLastIndex(({ committedAt }) => committedAt >= young)
  const kept = chain.slice(0, Math.max(keep, needed, oldestYoung + 1))
  return kept.reduce((earliest, { committedAt }) => Math.min(earliest, committedAt - margin), young)
}

/** What Trino expires: the chain from its first older snapshot on, and older snapshots outside the chain. The current one stays. */
export const expiring = <A extends Ancestor>(snapshots: ReadonlyArray<A>, chain: ReadonlyArray<A>, before: number) => {
  const older = chain.findIndex(({ committedAt }, i) => i > 0 && committedAt < before)
  const kept = new Set(older === -1 ? chain : chain.slice(0, older))
  const inLine = new Set(chain)
  return snapshots.filter((snapshot) => (inLine.has(snapshot) ? !kept.has(snapshot) : snapshot.committedAt < before))
}
