/** What became of dead letters that were to be sent again. */
import { Schema } from "effect"
import { written } from "../../ingest/deadletters/Correction.ts"
import type { Outcome } from "../../ingest/deadletters/redrive.ts"
import { plural } from "../../runtime/plural.ts"
import { cell } from "./formatTable.ts"
import { counted } from "./Progress.ts"

/** Of those not sent, so many are named at the end; --json names all. */
const maxNamed = 100

class NotSent extends Schema.TaggedError<NotSent>()("NotSent", { count: Schema.Int, unnamed: Schema.Int }) {
  override get message() {
    const { count, unnamed } = this
    const rest = unnamed === 0 ? "" : `, ${counted(unnamed)} of them not named here (--json names all)`
    return `${plural(count, "dead letter was", "dead letters were")} not sent${rest}.`
  }
}

export const jsonLine = ({ wanted: { line, position }, result }: Outcome) => {
  const place = { position: position === null ? null : written(position), ...(line === undefined ? {} : { line }) }
  switch (result._tag) {
    case "Sent": {
      const { at, reading, repeated, ts } = result
      return `${JSON.stringify({ ...place, outcome: "sent", ...reading, ts, at, repeated })}\n`
    }
    case "SentBefore":
      return `${JSON.stringify({ ...place, outcome: "sent before", at: result.at })}\n`
    case "Refused":
      return `${JSON.stringify({ ...place, outcome: "not sent", reason: result.reason })}\n`
  }
}

/** Counts outcomes; of a file that is given again, what was sent before is no failure. */
export const tally = (isFile: boolean) => {
  const notSent: Array<string> = []
  let failures = 0
  let sent = 0
  let repeated = 0
  let before = 0
  let last = ""

  const fail = ({ line, position }: Outcome["wanted"], reason: string) => {
    failures++
    if (notSent.length >= maxNamed) return
    const place = [line === undefined ? "" : `line ${line}`, position === null ? "" : written(position)]
    notSent.push(`${place.filter((part) => part !== "").join(", ")}: ${cell(reason)}.\n`)
  }

  return {
    take: ({ wanted, result }: Outcome) => {
      if (result._tag === "Refused") fail(wanted, result.reason)
      else if (result._tag === "Sent") {
        sent++
        if (result.repeated) repeated++
        last = `${wanted.position === null ? "" : written(wanted.position)} is logged at ${result.at}, hour ${result.ts}.`
      } else if (isFile) before++
      else fail(wanted, `it was sent before and is at ${result.at}; --again sends it once more`)
    },
    progress: (total: number | undefined) =>
      `${counted(sent)}${total === undefined ? "" : ` of ${counted(total)}`} dead letters sent again`,
    failure: () => (failures === 0 ? undefined : new NotSent({ count: failures, unnamed: failures - notSent.length })),
    /** Empty if there was nothing. */
    text: () => {
      const lines = [...notSent]
      if (sent === 1) lines.push(`${last}\n`)
      if (sent > 1) lines.push(`${counted(sent)} dead letters were sent again.\n`)
      if (repeated > 0) {
        lines.push(`${counted(repeated)} of them had been logged by an earlier run, and were not logged twice.\n`)
      }
      if (before > 0) lines.push(`${counted(before)} had been sent before, and were left out.\n`)
      return lines.join("")
    }
  }
}
