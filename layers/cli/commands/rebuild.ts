import { Console, Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { type Discards, Rebuild, type RebuildProgress } from "../../../services/Rebuild.ts"
import { TableName } from "../../../services/TableReader.ts"
import * as Profile from "../../profile/Profile.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"
import { plural } from "../../runtime/plural.ts"
import { print } from "../terminal/Output.ts"
import { counted, make as makeProgress } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { warnings } from "../terminal/Warnings.ts"
import { withWorkProgress } from "../terminal/WorkProgress.ts"

/** Brings the log into the table; the answer is how far it came, and how long it took. */
const rebuildInto = Effect.fnUntraced(function* (table: string, finished: boolean, discard: Discards) {
  const began = yield* monotonicMillis
  const progress = yield* makeProgress
  let last: RebuildProgress = { events: 0, total: 0, found: 0 }
  const show = Effect.fnUntraced(function* (now: RebuildProgress) {
    last = now
    const seconds = ((yield* monotonicMillis) - began) / 1000
    const { events, found, total } = now
    const share = total === 0 ? 100 : Math.floor((events / total) * 100)
    yield* progress.show(
      () =>
        `${counted(events)} of ${counted(total)} events, ${share} %, ${counted((events - found) / Math.max(0.001, seconds))} a second`
    )
  })
  yield* (yield* Rebuild).into(table, { finished, discard }).pipe(
    Stream.runForEach(show),
    Effect.onInterrupt(() =>
      Console.error(`Stopped at event ${counted(last.events)} of ${counted(last.total)}; the same command goes on.`)
    )
  )
  const seconds = ((yield* monotonicMillis) - began) / 1000
  return { ...last, seconds }
}, Effect.scoped)

const interrupted = {
  hint: "Ctrl-C leaves it for later",
  left: "Stopped. default.weather is as it was or, if that came too late, the new table; floe connector status says whether the connector runs."
}

export const rebuild = Command.make(
  "replay",
  {
    into: Flag.String("into").pipe(
      Flag.withDescription("The table to make, in the schema default"),
      Flag.withMetavar("table"),
      Flag.withSchema(TableName)
    ),
    swap: Flag.Boolean("swap").pipe(
      Flag.withDescription("Put it in place of default.weather when it is finished"),
      Flag.withDefault(false)
    ),
    discardMissingRows: Flag.Boolean("discard-missing-rows").pipe(
      Flag.withDescription(
        "Distributed: go on although rows of default.weather would be lost, as the log has no event of them"
      ),
      Flag.withDefault(false)
    ),
    discardOtherWriters: Flag.Boolean("discard-other-writers").pipe(
      Flag.withDescription("Go on although this undoes what another program has changed in default.weather"),
      Flag.withDefault(false)
    ),
    json
  },
  Effect.fn("floe replay")(function* ({ into, json, swap, discardMissingRows, discardOtherWriters }) {
    const discard = { missingRows: discardMissingRows, otherWriters: discardOtherWriters }
    const { events, found, seconds, total } = yield* rebuildInto(into, swap, discard)
    if (!json) {
      const before = found === 0 ? "" : `, ${counted(found)} of them found there`
      yield* print(
        Stream.make(
          `${plural(events, "event is", "events are")} in default.${into}${before} (${seconds.toFixed(1)} s).\n`
        )
      )
    }
    const service = yield* Rebuild
    const outcome = swap
      ? yield* withWorkProgress(
          (told) => service.promote(into, told, discard),
          service.continuesWhenInterrupted ? undefined : interrupted
        )
      : null
    if (json) return yield* printJson({ table: into, events, total, found, seconds, swapped: outcome })
    if (outcome !== null) yield* print(Stream.make(`${outcome}\n`))
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Rebuild a table from the log, each event once, up to the log's end as it is now. The table is made beside default.weather and can be queried by its name, also while it is unfinished; after a Ctrl-C or a crash the same command goes on where it stopped. With --swap it then takes the place of default.weather in one step, with what has come meanwhile: queries that run go on, and older snapshots stay for --as-of. Distributed, a connector of its own brings the log, that of default.weather stands still for some seconds during the swap, and the copy stays until it is dropped."
  ),
  Command.withShortDescription("Rebuild a table from the log"),
  Command.withExamples([
    { command: "floe replay --into weather_again", description: "Make a second table beside the first" },
    { command: "floe replay --into weather_again --swap", description: "And put it in place of default.weather" }
  ]),
  Command.provide(Profile.rebuild),
  Command.provide(warnings)
)
