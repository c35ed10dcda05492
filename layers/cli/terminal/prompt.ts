/**
 * Statements typed on a terminal. Ctrl-C drops what is typed or stops the statement that runs; Ctrl-D, or quit, leaves;
 * an error ends nothing.
 */
import { createInterface } from "node:readline"
import { Cause, Console, Effect } from "effect"
import * as History from "./history.ts"
import { reportFailure } from "./Output.ts"
import { split } from "./splitStatements.ts"

type Input = { readonly _tag: "Line"; readonly text: string } | { readonly _tag: "Dropped" } | { readonly _tag: "End" }

/** Lines that were pasted and wait for their turn; beyond it the terminal is not read. */
const mostWaiting = 1000

const greeting = "A statement ends with a semicolon. Ctrl-C stops it, Ctrl-D or quit leaves."

/** What is typed, while the scope is open. */
const typed = Effect.fnUntraced(function* (history: ReadonlyArray<string>) {
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
    if (waiting.length === mostWaiting) reader.pause()
    wake()
  }
  reader.on("line", (text) => put({ _tag: "Line", text }))
  reader.on("SIGINT", () => {
    if (stop !== undefined) return stop()
    // To the line's end, and from there all of it away.
    reader.write(null, { ctrl: true, name: "e" })
    reader.write(null, { ctrl: true, name: "u" })
    put({ _tag: "Dropped" })
  })
  reader.on("close", () => put({ _tag: "End" }))

  return {
    next: (prompt: string) =>
      Effect.callback<Input>((resume) => {
        const look = () => {
          const input = waiting.shift()
          if (input === undefined) return
          wake = () => {}
          if (waiting.length === mostWaiting - 1) reader.resume()
          resume(Effect.succeed(input))
        }
        wake = look
        reader.setPrompt(prompt)
        if (waiting.length === 0) reader.prompt()
        look()
        return Effect.sync(() => {
          wake = () => {}
        })
      }),
    /** Completes at the next Ctrl-C, which then drops nothing. */
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
  const input = yield* typed(history.lines)
  yield* Console.log(greeting)
  let pending = ""
  for (;;) {
    const next = yield* input.next(pending === "" ? "floe> " : "   -> ")
    if (next._tag === "End") return yield* Console.log("")
    if (next._tag === "Dropped") {
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
