import { Console, Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { type Discards, Rebuild, type RebuildProgress } from "../../../services/Rebuild.ts"
import * as Settings from "../../../services/Settings.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { TableName } from "../../../services/TableReader.ts"
import * as Profile from "../../profile/Profile.ts"
import { monotonicMillis } from "../../runtime/elapsed.ts"
import { plural } from "../../runtime/plural.ts"
import { print } from "../terminal/Output.ts"
import { counted, make as makeProgress } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { streamFlag, streamNamed } from "../terminal/streamFlag.ts"
import { warnings } from "../terminal/Warnings.ts"
import { withWorkProgress } from "../terminal/WorkProgress.ts"

/** Markers of transactions have offsets too, and progress is counted in offsets. */
const isCountedByOffsets = Effect.fnUntraced(function* ({ definition }: AppliedStream) {
  return definition.writer !== undefined && (yield* Settings.profile) === "distributed"
})

const rebuildInto = Effect.fnUntraced(function* (
  table: string,
  applied: AppliedStream,
  finished: boolean,
  discard: Discards
) {
  const { name: stream } = applied.definition
  const atMost = (yield* isCountedByOffsets(applied)) ? "at most " : ""
  const began = yield* monotonicMillis
  const progress = yield* makeProgress
  let last: RebuildProgress = { events: 0, total: 0, resumedAt: 0 }
  const show = Effect.fnUntraced(function* (now: RebuildProgress) {
    last = now
    const seconds = ((yield* monotonicMillis) - began) / 1000
    const { events, resumedAt, total } = now
    const share = total === 0 ? 100 : Math.floor((events / total) * 100)
    yield* progress.show(
      () =>
        `${counted(events)} of ${atMost}${counted(total)} events, ${share} %, ${counted((events - resumedAt) / Math.max(0.001, seconds))} per second`
    )
  })
  yield* (yield* Rebuild).into(table, { stream, finished, discard }).pipe(
    Stream.runForEach(show),
    Effect.onInterrupt(() =>
      Console.error(
        `Stopped at event ${counted(last.events)} of ${counted(last.total)}; run the same command to resume.`
      )
    )
  )
  const seconds = ((yield* monotonicMillis) - began) / 1000
  return { ...last, seconds }
}, Effect.scoped)

const interrupted = {
  hint: "Ctrl-C stops it, and the same command resumes",
  left: "Stopped. The new table may already be in place of default.weather; run floe connector status to see whether the connector runs."
}

const command = <const Name extends string>(name: Name) =>
  Command.make(
    name,
    {
      into: Flag.String("into").pipe(
        Flag.withDescription("Name of the new table, in the schema default"),
        Flag.withMetavar("table"),
        Flag.withSchema(TableName)
      ),
      promote: Flag.Boolean("promote").pipe(
        Flag.withDescription("Put the finished table in place of default.weather, or of the table of --stream"),
        Flag.withDefault(false)
      ),
      stream: streamFlag,
      swap: Flag.Boolean("swap").pipe(Flag.withDefault(false), Flag.withHidden),
      discardMissingRows: Flag.Boolean("discard-missing-rows").pipe(
        Flag.withDescription("Distributed: proceed even if default.weather loses rows that the log has no event for"),
        Flag.withDefault(false)
      ),
      discardOtherWriters: Flag.Boolean("discard-other-writers").pipe(
        Flag.withDescription("Proceed even if this undoes changes that another program made to default.weather"),
        Flag.withDefault(false)
      ),
      json
    },
    Effect.fn(`floe ${name}`)(function* ({ into, stream, json, discardMissingRows, discardOtherWriters, ...flags }) {
      const applied = yield* streamNamed(stream)
      const promote = flags.promote || flags.swap
      const discard = { missingRows: discardMissingRows, otherWriters: discardOtherWriters }
      const { events, resumedAt, seconds, total } = yield* rebuildInto(into, applied, promote, discard)
      if (!json) {
        const before = resumedAt === 0 ? "" : `, ${counted(resumedAt)} of them from an earlier run`
        yield* print(
          Stream.make(
            `${plural(events, "event is", "events are")} in default.${into}${before} (${seconds.toFixed(1)} s).\n`
          )
        )
      }
      const service = yield* Rebuild
      const outcome = promote
        ? yield* withWorkProgress(
            (onProgress) => service.promote(into, onProgress, discard, stream),
            service.continuesWhenInterrupted ? undefined : interrupted
          )
        : null
      if (json) return yield* printJson({ table: into, events, total, found: resumedAt, seconds, promoted: outcome })
      if (outcome !== null) yield* print(Stream.make(`${outcome}\n`))
    }, Effect.scoped)
  ).pipe(
    Command.withDescription(
      "Rebuild a table from the log, each event once, up to the current end of the log. The new table is built beside default.weather and can be queried by its name, even while it is unfinished. After a Ctrl-C or a crash, the same command resumes. With --promote, the new table then replaces default.weather in one step and includes the events that arrived meanwhile: running queries continue, and older snapshots stay available to --as-of. In the distributed profile, a second connector reads the log, the connector of default.weather pauses for some seconds during promotion, and the copy stays until you drop it. With --stream, all of this applies to the log and the table of that stream."
    ),
    Command.withShortDescription("Rebuild a table from the log"),
    Command.withExamples([
      { command: "floe rebuild --into weather_again", description: "Build a second table beside the first" },
      {
        command: "floe rebuild --into weather_again --promote",
        description: "Also put it in place of default.weather"
      },
      {
        command: "floe rebuild --stream readings --into readings_again --promote",
        description: "Rebuild the table of a stream of your own"
      }
    ]),
    Command.provide(Profile.layer("rebuild")),
    Command.provide(Profile.layer("streams")),
    Command.provide(warnings)
  )

export const rebuild = command("rebuild")

/** The former name, which scripts may still use. */
export const replay = command("replay").pipe(Command.unlisted)
