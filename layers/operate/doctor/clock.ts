/** Check of the clock: nothing was written later than now. */
import { Clock, Effect, Option, Stream } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type { Finding } from "../../../services/Checks.ts"
import { EventLogReader } from "../../../services/EventLog.ts"
import { TableReader } from "../../../services/TableReader.ts"
import { addressOf, health } from "../../ingest/health.ts"
import { type ClockStep, described } from "../../runtime/watchClock.ts"

/** Clocks kept by NTP, and the whole seconds of an HTTP header, differ by less. */
const toleranceMillis = 5_000

const seconds = (millis: number) => `${Math.round(millis / 1000).toLocaleString("en-US")} s`

const newestEvent = Effect.gen(function* () {
  const log = yield* EventLogReader
  const filled = (yield* log.bounds).partitions.filter(({ start, end }) => end > start)
  const times = yield* Effect.forEach(filled, ({ partition, end }) =>
    Stream.runHead(log.read({ partition, offset: end - 1 }, { until: "end" }))
  )
  return Math.max(...times.map((last) => Option.match(last, { onNone: () => 0, onSome: (_) => _.acceptedAt })))
}).pipe(Effect.orElseSucceed(() => undefined))

const newestCommit = Effect.gen(function* () {
  const current = yield* Effect.option((yield* TableReader).current)
  return Option.getOrUndefined(Option.flatten(current))?.committedAt
})

/** `last`: the last step of the clock that a program noticed. */
export const clock = (target: URL | undefined, last: Option.Option<ClockStep> = Option.none()) => ({
  name: "clock",
  ok: `The clock is right: no event or commit is later than now, and the server's clock agrees.${Option.match(last, {
    onNone: () => "",
    onSome: (step) => ` The last change that Floe noticed: it ${described(step)}.`
  })}`,
  run: Effect.gen(function* () {
    const written = { "event was accepted": yield* newestEvent, "commit was made": yield* newestCommit }
    const now = yield* Clock.currentTimeMillis
    const cause = Option.match(
      Option.filter(last, ({ by }) => by < 0),
      { onNone: () => "", onSome: (step) => `; it ${described(step)}` }
    )
    const findings: Array<Finding> = []
    for (const [what, at] of Object.entries(written)) {
      if (at === undefined || at <= now + toleranceMillis) continue
      findings.push({
        finding: `The newest ${what} ${seconds(at - now)} later than this machine's clock shows now${cause}.`,
        consequence:
          "New events are assigned hours that have already passed, the table's history is out of order, and the lag cannot be measured.",
        fix: `If the clock is wrong, set it (timedatectl status; sudo timedatectl set-ntp true). If it is right, wait: nothing is lost, and the clock catches up in ${seconds(at - now)}.`
      })
    }
    if (target === undefined) return findings
    const server = yield* Effect.option(health(target).pipe(Effect.provide(FetchHttpClient.layer)))
    const ahead = Option.getOrUndefined(server)?.clockAhead ?? 0
    if (Math.abs(ahead) > toleranceMillis) {
      findings.push({
        finding: `The clock of the server at ${addressOf(target)} is ${seconds(Math.abs(ahead))} ${ahead > 0 ? "ahead of" : "behind"} this one.`,
        consequence: "The server assigns events to different hours than this machine would.",
        fix: "Set the clock that is wrong (timedatectl status; sudo timedatectl set-ntp true)."
      })
    }
    return findings
  })
})
