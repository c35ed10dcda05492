/** Check of the processors: each runs, and has put nothing aside. */
import { Effect } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { DataFolder } from "../../../../services/DataFolder.ts"
import { weatherHourly } from "../../../../services/Settings.ts"
import { type ProcessorReport, ProcessorReports } from "../../../process/ProcessorReports.ts"
import { type RebuildState, readState } from "../../../process/rebuilt.ts"
import { plural } from "../../../runtime/plural.ts"

const start = "Start it: npm start, or node dist/processor.js"

const ofState = ({ definition: { from, name, to }, lag, reason, state }: ProcessorReport): Finding | undefined => {
  const consequence = `${to} gets no new rows, and ${plural(lag, "event")} of ${from} wait. Other processors and streams go on.`
  switch (state) {
    case "running":
      return undefined
    case "paused":
      return { finding: `The processor ${name} is paused.`, consequence, fix: `floe processor resume ${name}` }
    case "stopped":
      return {
        finding: reason ?? `The processor ${name} is stopped.`,
        consequence,
        fix: `Correct the module, compare it with the log (floe processor test ${name} --from-log), and start the program again.`
      }
    case "waiting":
      if (reason === null) return undefined
      return {
        finding: reason.includes(name) ? reason : `The processor ${name} cannot go on: ${reason}`,
        consequence,
        fix: "Fix the cause. It tries again by itself, each second."
      }
    case "not running":
      if (lag === 0) return undefined
      return { finding: `The processor ${name} does not run.`, consequence, fix: start }
  }
}

const ofDeadLetters = ({ deadLetters, definition: { from, name, to } }: ProcessorReport): Finding | undefined =>
  deadLetters === 0
    ? undefined
    : {
        finding: `The processor ${name} has put ${plural(deadLetters, "dead letter")} aside.`,
        consequence: `What they say is missing in ${to}; ${from} has the events.`,
        fix: `See the reasons with floe dlq list --stream ${to}; correct the functions, then run floe processor rebuild ${name}.`,
        warning: true
      }

/** A running rebuild looks so for a second. */
const unfinished = ({ names: [name = ""], paused }: RebuildState): Finding => ({
  finding: `A rebuild of the processor ${name} is not finished.`,
  consequence: `The sink waits with ${paused.length === 0 ? "nothing" : paused.join(", ")} until it is.`,
  fix: `floe processor rebuild ${name}`
})

export const processors = {
  name: "processors",
  needs: ["data"],
  ok: "Every processor runs, and has processed what its input has.",
  run: Effect.gen(function* () {
    const reports = yield* (yield* ProcessorReports).all
    const withBuiltIn = yield* weatherHourly
    const ofReports = reports
      .filter(({ definition, state }) => withBuiltIn || definition.name !== "weather_hourly" || state === "stopped")
      .flatMap((report) => [ofState(report), ofDeadLetters(report)].filter((finding) => finding !== undefined))
    const rebuild = readState(yield* DataFolder)
    return rebuild === undefined ? ofReports : [unfinished(rebuild), ...ofReports]
  })
}
