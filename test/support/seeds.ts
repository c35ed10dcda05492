/** Random runs. FLOE_SEEDS=<count> sets how many, FLOE_SEED=<seed> runs one of them again. */
const one = process.env.FLOE_SEED
const wanted = Number(process.env.FLOE_SEEDS)

/** Whether all that a test wants to see has a chance to happen. */
export const isMany = one === undefined

/** The seeds to run, if FLOE_SEEDS does not say how many: from 1 to `usual`. */
export const seedsOf = (usual: number) =>
  one === undefined ? Array.from({ length: wanted > 0 ? wanted : usual }, (_, i) => i + 1) : [Number(one)]
