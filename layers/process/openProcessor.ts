/** Opens a processor over the embedded log: its functions, its file and its input. */
import { Effect } from "effect"
import type { DataFolder } from "../../services/DataFolder.ts"
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import type { Processor } from "../../streams/Processor.ts"
import * as LogFile from "../log/sqlite/LogFile.ts"
import type { Beat } from "./Beat.ts"
import { type Bound, bind } from "./bind.ts"
import * as InputLog from "./InputLog.ts"
import * as Runner from "./Runner.ts"
import * as SqliteStore from "./sqlite/Store.ts"

export interface DeclaredProcessor {
  readonly processor: Processor
  readonly definition: ProcessorDefinition
}

export interface OpenedProcessor {
  readonly store: SqliteStore.SqliteStore
  readonly runner: Runner.Runner
  readonly input: InputLog.InputLog
  /** Of the input's definition. */
  readonly version: number
}

interface Places {
  /** The data folder whose log is processed. */
  readonly log: DataFolder["Service"]
  /** As the data folder, with the processors' folder that has the input, or the output. */
  readonly input: DataFolder["Service"]
  readonly output: DataFolder["Service"]
}

const isNotEmpty = (history: ReadonlyArray<AppliedStream>): history is Bound["history"] => history.length > 0

/** Undefined as long as a stream of it is not applied. Fails with what opening its file or binding its functions throws. */
export const openProcessor = Effect.fnUntraced(function* (
  { definition, processor }: DeclaredProcessor,
  places: Places,
  beat: Beat
) {
  const streams = yield* Streams
  const history = yield* streams.history(definition.from)
  const [output] = (yield* streams.history(definition.to)).slice(-1)
  const [late] = definition.late === null ? [] : (yield* streams.history(definition.late)).slice(-1)
  const isMissing = output === undefined || (definition.late !== null && late === undefined)
  if (!isNotEmpty(history) || isMissing) return undefined
  return yield* Effect.try({
    try: (): OpenedProcessor => {
      const bound = bind(processor, definition, history, output.definition)
      const log = LogFile.open(places.log)
      const { logId } = log
      log.close()
      const store = SqliteStore.open({ folder: places.output, logId, definition, output, late })
      try {
        return {
          runner: Runner.make(bound, store, { beat }),
          store,
          input: InputLog.open(places.input, definition.from, history.at(-1)?.definition.writer),
          version: history.at(-1)?.version ?? 1
        }
      } catch (cause) {
        store.close()
        throw cause
      }
    },
    catch: (cause) => cause
  })
})
