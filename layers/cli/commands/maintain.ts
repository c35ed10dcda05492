import { Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { Maintenance } from "../../../services/Maintenance.ts"
import * as Profile from "../../profile/Profile.ts"
import { plural } from "../../runtime/plural.ts"
import { facts, size } from "../terminal/listing.ts"
import { print } from "../terminal/Output.ts"
import { counted, withProgress } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { streamFlag } from "../terminal/streamFlag.ts"
import { warnings } from "../terminal/Warnings.ts"
import { withWorkProgress } from "../terminal/WorkProgress.ts"

const files = (count: number, bytes: number) => (count === 0 ? "nothing" : `${plural(count, "file")} (${size(bytes)})`)

const ended = { hint: "Ctrl-C stops it", left: "Stopped. Completed steps are kept, and the table is intact." }

const planned = Effect.fnUntraced(function* (machine: boolean) {
  const { plan: planning } = yield* Maintenance
  const plan = yield* withProgress(({ show }) =>
    Effect.raceFirst(
      planning,
      Effect.forever(
        Effect.delay(
          show(() => "reading the table and its files"),
          "1 second"
        )
      )
    )
  )
  if (machine) return yield* printJson(plan)
  const { compact, expire, remove, left = [] } = plan
  yield* facts([
    [
      "would merge",
      `${files(compact.files, compact.bytes)}${compact.files === 0 ? "" : ` of ${plural(compact.partitions, "partition")} into ${counted(compact.into)}`}`
    ],
    [
      "would expire",
      expire.snapshots === 0
        ? "nothing"
        : `${plural(expire.snapshots, "snapshot")}, with ${files(expire.files, expire.bytes)}`
    ],
    ["would remove", files(remove.files, remove.bytes)]
  ])
  for (const sentence of left) yield* print(Stream.make(`${sentence}\n`))
})

export const maintain = Command.make(
  "maintain",
  {
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Report what would be done, without doing it"),
      Flag.withDefault(false)
    ),
    stream: streamFlag,
    json
  },
  Effect.fn("floe maintain")(function* ({ dryRun, json }) {
    if (dryRun) return yield* planned(json)
    const maintenance = yield* Maintenance
    const outcome = yield* withWorkProgress(maintenance.run, maintenance.continuesWhenInterrupted ? undefined : ended)
    if (json) yield* printJson({ outcome })
    else yield* print(Stream.make(`${outcome}\n`))
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Maintain the table now: merge small files, expire old snapshots, and remove orphan files. The files that were merged are deleted once no snapshot references them (FLOE_SNAPSHOT_KEEP). Floe keeps accepting events meanwhile. In the embedded profile, a running sink does the work alongside its commits, as it also does on its own from time to time; if no sink runs, this command does it. In the distributed profile, Trino does the work, and only when you run this command: it keeps the snapshots of the last hour and those that hold the sink's position, and removes orphan files after 7 days, unless the sink is more than a day behind."
  ),
  Command.withShortDescription("Merge small files, expire snapshots, remove orphans"),
  Command.withExamples([
    { command: "floe maintain --dry-run", description: "Show what would be done" },
    { command: "floe maintain", description: "Run maintenance" },
    { command: "floe maintain --stream readings", description: "Maintain the table of a stream of your own" }
  ]),
  Command.provide(({ stream }) => Profile.maintenance(stream)),
  Command.provide(warnings)
)
