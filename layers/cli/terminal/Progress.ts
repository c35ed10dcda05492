/** One line that changes while a command works, on standard error and on a terminal only. */
import { Effect, Stdio, Stream, Terminal } from "effect"
import { monotonicMillis } from "../../runtime/elapsed.ts"

const everyMillis = 200
const startOfLine = "\r\u001b[K"

interface Progress {
  /** Shows this line, if the last one was shown a while ago. */
  readonly show: (line: () => string) => Effect.Effect<void>
}

/** The line goes away when the scope closes. */
export const make = Effect.gen(function* () {
  const stdio = yield* Stdio.Stdio
  const terminal = yield* Terminal.Terminal
  if (!(yield* stdio.stderrIsTerminal)) return { show: () => Effect.void } satisfies Progress
  let shownAt = yield* monotonicMillis
  let shown = false
  const write = (text: string) => Effect.ignore(Stream.run(Stream.make(text), stdio.stderr({ endOnDone: false })))
  yield* Effect.addFinalizer(() => (shown ? write(startOfLine) : Effect.void))
  const show: Progress["show"] = Effect.fnUntraced(function* (line) {
    const now = yield* monotonicMillis
    if (now - shownAt < everyMillis) return
    shownAt = now
    shown = true
    const columns = (yield* terminal.columns) || 80
    yield* write(startOfLine + line().slice(0, columns - 1))
  })
  return { show } satisfies Progress
})

/** Runs this with a line of progress, which is gone when it ends. */
export const withProgress = <A, E, R>(use: (progress: Progress) => Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.flatMap(make, use))

/** Shows a line each second: of work that tells nothing for long, or nothing at all. */
export const ticking =
  (show: Progress["show"], line: () => string) =>
  <A, E, R>(work: Effect.Effect<A, E, R>) =>
    Effect.raceFirst(work, Effect.forever(Effect.andThen(Effect.sleep("1 second"), show(line))))

/** Runs this, and once it has lasted for a second says what it does. */
export const saying =
  (line: string) =>
  <A, E, R>(work: Effect.Effect<A, E, R>) =>
    withProgress(({ show }) => ticking(show, () => line)(work))

/** `12,345`. */
export const counted = (count: number) => Math.round(count).toLocaleString("en-US")
