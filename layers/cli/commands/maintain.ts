import { Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { Maintenance } from "../../../services/Maintenance.ts"
import * as Profile from "../../profile/Profile.ts"
import { plural } from "../../runtime/plural.ts"
import { facts, size } from "../terminal/listing.ts"
import { print } from "../terminal/Output.ts"
import { counted, withProgress } from "../terminal/Progress.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { warnings } from "../terminal/Warnings.ts"
import { withWorkProgress } from "../terminal/WorkProgress.ts"

const files = (count: number, bytes: number) => (count === 0 ? "nothing" : `${plural(count, "file")} (${size(bytes)})`)

const ended = { hint: "Ctrl-C ends it", left: "It was ended; what was done stays done, and the table is whole." }

const planned = Effect.fnUntraced(function* (machine: boolean) {
  const { plan: planning } = yield* Maintenance
  const plan = yield* withProgress(({ show }) =>
    Effect.raceFirst(
      planning,
      Effect.forever(
        Effect.delay(
          show(() => "looking at the table and its files"),
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
    dryRun: Flag.Boolean("dry-run").pipe(Flag.withDescription("Only say what there is to do"), Flag.withDefault(false)),
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
    "Maintain the table now: merge small files, expire old snapshots, remove files that nobody needs. Merged files go when the snapshots that need them expire (FLOE_SNAPSHOT_KEEP). Events go on coming in meanwhile. In the embedded profile a running sink carries it out beside its commits, as it does by itself from time to time; where none runs it is done here. In the distributed profile Trino does it, and only when this command is run: the snapshots of the last hour are kept, and those that the sink needs to find how far it was; files that no snapshot names are removed after 7 days, unless the sink is more than a day behind."
  ),
  Command.withShortDescription("Merge small files, expire snapshots, remove orphans"),
  Command.withExamples([
    { command: "floe maintain --dry-run", description: "What is there to do?" },
    { command: "floe maintain", description: "Do it" }
  ]),
  Command.provide(Profile.layer("maintenance")),
  Command.provide(warnings)
)
