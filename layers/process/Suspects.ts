/** Which processors have ended the process of all: one that does it again is stopped, so that the others go on. */
import type { Culprit } from "./workerProcess.ts"

/** Milliseconds after which a second time counts as a first one. */
const remembered = 10 * 60_000

export interface Verdict {
  readonly isStopped: boolean
  readonly sentence: string
}

export class Suspects {
  readonly #last = new Map<string, number>()

  /** `now` in milliseconds of a monotonic clock. */
  accuse({ at, how, processor }: Culprit, now: number): Verdict {
    const before = this.#last.get(processor)
    this.#last.set(processor, now)
    const isStopped = before !== undefined && now - before < remembered
    const ended = `its functions ended the process that runs all processors (${how})`
    return {
      isStopped,
      sentence: isStopped
        ? `The processor ${processor} stopped at ${at} or soon after: twice within 10 minutes ${ended}. Correct it and start again.`
        : `The processor ${processor} was at work, at ${at} or soon after, when ${ended}. All processors start again where they were; if it happens again, ${processor} is stopped.`
    }
  }
}
