import { Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { Maintenance } from "../../services/Maintenance.ts"
import * as Profile from "../Profile.ts"
import { json, printJson } from "./Json.ts"
import { facts, size } from "./Listing.ts"
import { following } from "./News.ts"
import { print } from "./Output.ts"
import { counted } from "./Progress.ts"
import { warnings } from "./Warnings.ts"

const files = (count: number, bytes: number) =>
  count === 0 ? "nothing" : `${counted(count)} ${count === 1 ? "file" : "files"} (${size(bytes)})`

const planned = Effect.fnUntraced(function* (machine: boolean) {
  const plan = yield* (yield* Maintenance).plan
  if (machine) return yield* printJson(plan)
  const { compact, expire, remove } = plan
  yield* facts([
    [
      "would merge",
      `${files(compact.files, compact.bytes)}${compact.files === 0 ? "" : ` of ${counted(compact.partitions)} ${compact.partitions === 1 ? "partition" : "partitions"} into ${counted(compact.into)}`}`
    ],
    [
      "would expire",
      expire.snapshots === 0
        ? "nothing"
        : `${counted(expire.snapshots)} ${expire.snapshots === 1 ? "snapshot" : "snapshots"}, with ${files(expire.files, expire.bytes)}`
    ],
    ["would remove", files(remove.files, remove.bytes)]
  ])
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
    const outcome = yield* following(maintenance.run)
    if (json) yield* printJson({ outcome })
    else yield* print(Stream.make(`${outcome}\n`))
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Maintain the table now: merge small files, expire old snapshots, remove files that nobody needs. A running sink carries it out beside its commits, as it does by itself from time to time; where none runs it is done here. Merged files go when the snapshots that need them expire (FLOE_SNAPSHOT_KEEP)."
  ),
  Command.withShortDescription("Merge small files, expire snapshots, remove orphans"),
  Command.withExamples([
    { command: "floe maintain --dry-run", description: "What is there to do?" },
    { command: "floe maintain", description: "Do it" }
  ]),
  Command.provide(Profile.maintenance),
  Command.provide(warnings)
)
