/** The outcome of sending dead letters again. */
import { Schema } from "effect"
import { formatPosition } from "../../ingest/deadletters/Correction.ts"
import type { Outcome } from "../../ingest/deadletters/redrive.ts"
import { plural } from "../../runtime/plural.ts"
import { cell } from "./formatTable.ts"
import { counted } from "./Progress.ts"

const maxListed = 100

class NotSent extends Schema.TaggedError<NotSent>()("NotSent", { count: Schema.Int, unlisted: Schema.Int }) {
  override get message() {
    const { count, unlisted } = this
    const rest = unlisted === 0 ? "" : `, ${counted(unlisted)} of them not listed here (--json lists all)`
    return `${plural(count, "dead letter was", "dead letters were")} not sent${rest}.`
  }
}

export const jsonLine = ({ wanted: { line, position }, result }: Outcome) => {
  const place = {
    position: position === null ? null : formatPosition(position),
    ...(line === undefined ? {} : { line })
  }
  switch (result._tag) {
    case "Sent": {
      const { at, reading, repeated, ts } = result
      const fields = typeof reading === "string" ? {} : reading
      return `${JSON.stringify({ ...place, outcome: "sent", ...fields, ts, at, repeated })}\n`
    }
    case "SentBefore":
      return `${JSON.stringify({ ...place, outcome: "sent before", at: result.at })}\n`
    case "NotSent":
      return `${JSON.stringify({ ...place, outcome: "not sent", reason: result.reason })}\n`
  }
}

/** Counts outcomes. With a file, a dead letter that was already sent is not a failure. */
export const makeSummary = (isFile: boolean) => {
  const notSent: Array<string> = []
  let failures = 0
  let sent = 0
  let repeated = 0
  let before = 0
  let last = ""

  const fail = ({ line, position }: Outcome["wanted"], reason: string) => {
    failures++
    if (notSent.length >= maxListed) return
    const place = [line === undefined ? "" : `line ${line}`, position === null ? "" : formatPosition(position)]
    notSent.push(`${place.filter((part) => part !== "").join(", ")}: ${cell(reason)}.\n`)
  }

  return {
    take: ({ wanted, result }: Outcome) => {
      if (result._tag === "NotSent") fail(wanted, result.reason)
      else if (result._tag === "Sent") {
        sent++
        if (result.repeated) repeated++
        last = `${wanted.position === null ? "" : formatPosition(wanted.position)} is logged at ${result.at}${result.ts === undefined ? "" : `, hour ${result.ts}`}.`
      } else if (isFile) before++
      else fail(wanted, `it was already sent and is at ${result.at}; use --again to send it once more`)
    },
    progress: (total: number | undefined) =>
      `${counted(sent)}${total === undefined ? "" : ` of ${counted(total)}`} dead letters sent again`,
    failure: () => (failures === 0 ? undefined : new NotSent({ count: failures, unlisted: failures - notSent.length })),
    text: () => {
      const lines = [...notSent]
      if (sent === 1) lines.push(`${last}\n`)
      if (sent > 1) lines.push(`${counted(sent)} dead letters were sent again.\n`)
      if (repeated > 0) {
        lines.push(`${counted(repeated)} of them were already logged by an earlier run and were not logged twice.\n`)
      }
      if (before > 0) lines.push(`${counted(before)} were already sent and were skipped.\n`)
      return lines.join("")
    }
  }
}
