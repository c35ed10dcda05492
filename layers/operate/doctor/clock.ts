/** Check of the clock: nothing that was ever written may be later than now. */
import { Clock, Effect, Option, Stream } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import type { Check, Finding } from "../../../services/Checks.ts"
import type { EventLogReader } from "../../../services/EventLog.ts"
import type { TableReader } from "../../../services/TableReader.ts"
import { addressOf, health } from "../../ingest/health.ts"
import { type ClockStep, described } from "../../runtime/watchClock.ts"

/** Clocks of machines that are kept by NTP, and the whole seconds of an HTTP header, differ by less. */
const toleranceMillis = 5_000

const seconds = (millis: number) => `${Math.round(millis / 1000).toLocaleString("en-US")} s`

/** `last`: the last step of the clock that a program noticed. */
export const clock = (
  log: EventLogReader["Service"],
  table: TableReader["Service"],
  target: URL | undefined,
  last: Option.Option<ClockStep> = Option.none()
): Check => ({
  name: "clock",
  ok: `The clock is right: nothing was logged or committed later than now, and the server's is the same.${Option.match(
    last,
    { onNone: () => "", onSome: (step) => ` The last step that Floe noticed: it ${described(step)}.` }
  )}`,
  run: Effect.gen(function* () {
    const newestEvent = Effect.gen(function* () {
      const filled = (yield* log.bounds).partitions.filter(({ start, end }) => end > start)
      const times = yield* Effect.forEach(filled, ({ partition, end }) =>
        Stream.runHead(log.read({ partition, offset: end - 1 }, { until: "end" }))
      )
      return Math.max(...times.map((last) => Option.match(last, { onNone: () => 0, onSome: (_) => _.acceptedAt })))
    }).pipe(Effect.orElseSucceed(() => undefined))
    const newestCommit = Effect.map(
      Effect.option(table.current),
      (found) => Option.getOrUndefined(Option.flatten(found))?.committedAt
    )
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
          "New events get hours that have passed already, the table's history is out of order, and nothing tells how long an event has waited.",
        fix: `If the clock is wrong, set it (timedatectl status; sudo timedatectl set-ntp true). If it is right, wait: nothing is lost, and in ${seconds(at - now)} this is over.`
      })
    }
    if (target === undefined) return findings
    const server = yield* Effect.option(health(target).pipe(Effect.provide(FetchHttpClient.layer)))
    const ahead = Option.getOrUndefined(server)?.clockAhead ?? 0
    if (Math.abs(ahead) > toleranceMillis) {
      findings.push({
        finding: `The clock of the server at ${addressOf(target)} is ${seconds(Math.abs(ahead))} ${ahead > 0 ? "ahead of" : "behind"} this one.`,
        consequence: "The hours of events are not those that this machine would give them.",
        fix: "Set the clock that is wrong (timedatectl status; sudo timedatectl set-ntp true)."
      })
    }
    return findings
  })
})
