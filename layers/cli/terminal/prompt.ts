/** Prompts for SQL statements. Ctrl-C discards the input or stops the running statement; Ctrl-D or quit leaves. */
import { createInterface } from "node:readline"
import { Cause, Console, Effect } from "effect"
import * as History from "./history.ts"
import { reportFailure } from "./Output.ts"
import { split } from "./splitStatements.ts"

type Input =
  | { readonly _tag: "Line"; readonly text: string }
  | { readonly _tag: "Discarded" }
  | { readonly _tag: "End" }

/** Pasted lines that may wait; beyond this, the terminal is not read. */
const capacity = 1000

const greeting = "End each statement with a semicolon. Ctrl-C stops a statement; Ctrl-D or quit leaves."

const makeInput = Effect.fnUntraced(function* (history: ReadonlyArray<string>) {
  const waiting: Array<Input> = []
  let wake = () => {}
  let stop: (() => void) | undefined
  const reader = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createInterface({
        input: process.stdin,
        output: process.stdout,
        history: [...history],
        historySize: History.linesKept,
        removeHistoryDuplicates: true
      })
    ),
    (reader) => Effect.sync(() => reader.close())
  )
  const put = (input: Input) => {
    waiting.push(input)
    if (waiting.length === capacity) reader.pause()
    wake()
  }
  reader.on("line", (text) => put({ _tag: "Line", text }))
  reader.on("SIGINT", () => {
    if (stop !== undefined) return stop()
    // Moves to the end of the line (Ctrl-E), then deletes back to its start (Ctrl-U).
    reader.write(null, { ctrl: true, name: "e" })
    reader.write(null, { ctrl: true, name: "u" })
    put({ _tag: "Discarded" })
  })
  reader.on("close", () => put({ _tag: "End" }))

  return {
    next: (prompt: string) =>
      Effect.callback<Input>((resume) => {
        const takeInput = () => {
          const input = waiting.shift()
          if (input === undefined) return
          wake = () => {}
          if (waiting.length === capacity - 1) reader.resume()
          resume(Effect.succeed(input))
        }
        wake = takeInput
        reader.setPrompt(prompt)
        if (waiting.length === 0) reader.prompt()
        takeInput()
        return Effect.sync(() => {
          wake = () => {}
        })
      }),
    /** Completes at the next Ctrl-C, which then discards no input. */
    stopped: Effect.callback<void>((resume) => {
      stop = () => resume(Effect.void)
      return Effect.sync(() => {
        stop = undefined
      })
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          stop = undefined
        })
      )
    )
  }
})

export const prompt = Effect.fn("Prompt.prompt")(function* <E, R>(run: (sql: string) => Effect.Effect<void, E, R>) {
  const history = yield* History.open
  const input = yield* makeInput(history.lines)
  yield* Console.log(greeting)
  let pending = ""
  for (;;) {
    const next = yield* input.next(pending === "" ? "floe> " : "   -> ")
    if (next._tag === "End") return yield* Console.log("")
    if (next._tag === "Discarded") {
      pending = ""
      yield* Console.log("")
      continue
    }
    if (pending === "" && /^\s*(quit|exit)\s*;?\s*$/i.test(next.text)) return
    if (next.text.trim() !== "") yield* history.add(next.text)
    const { rest, statements } = split(`${pending}${next.text}\n`)
    pending = rest
    for (const statement of statements) {
      const stopped = yield* run(statement).pipe(
        Effect.as(false),
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : Effect.as(reportFailure(cause), false)
        ),
        Effect.raceFirst(Effect.as(input.stopped, true))
      )
      if (stopped) {
        pending = ""
        yield* Console.log("\nStopped.")
        break
      }
    }
  }
}, Effect.scoped)
