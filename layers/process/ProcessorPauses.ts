/** Pauses processors, also over restarts. Owns: that they are paused. Does not own: noticing it (Slot). */
import { rmSync, writeFileSync } from "node:fs"
import { Context, Effect, Layer, Schema } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import type { LogCorrupt, LogUnavailable } from "../../services/EventLog.ts"
import { Streams } from "../../services/Streams.ts"
import { sync } from "../log/sqlite/LogFile.ts"
import { reasonOf } from "../runtime/files.ts"
import { pauseFile } from "./pauseFile.ts"

class PauseFailed extends Schema.TaggedError<PauseFailed>()("PauseFailed", {
  path: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The file ${this.path}, which pauses a processor, cannot be changed: ${reasonOf(this.cause)}.`
  }
}

export class ProcessorPauses extends Context.Service<
  ProcessorPauses,
  {
    /** Durable when it returns. */
    readonly set: (name: string, isPaused: boolean) => Effect.Effect<void, PauseFailed | LogUnavailable | LogCorrupt>
  }
>()("floe/layers/process/ProcessorPauses") {
  /** In the topic of streams, so that every copy of the program sees it. */
  static readonly onKafka = Layer.effect(
    ProcessorPauses,
    Effect.map(Streams, ({ setPaused }) => ProcessorPauses.of({ set: setPaused }))
  )

  static readonly layer = Layer.effect(
    ProcessorPauses,
    Effect.gen(function* () {
      const folder = yield* DataFolder
      return ProcessorPauses.of({
        set: Effect.fn("ProcessorPauses.set")((name: string, isPaused: boolean) => {
          const path = pauseFile(folder, name)
          return Effect.try({
            try: () => {
              if (isPaused) writeFileSync(path, "")
              else rmSync(path, { force: true })
              if (process.platform !== "win32") sync(folder.processors)
            },
            catch: (cause) => new PauseFailed({ path, cause })
          })
        })
      })
    })
  )
}
