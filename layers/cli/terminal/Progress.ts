/** A progress line on standard error, shown only on a terminal. */
import { Effect, Stdio, Stream, Terminal } from "effect"
import { monotonicMillis } from "../../runtime/elapsed.ts"

const everyMillis = 200
const startOfLine = "\r\u001b[K"

interface Progress {
  /** Shows this line, unless the last one was shown less than 200 ms ago. */
  readonly show: (line: () => string) => Effect.Effect<void>
}

/** The line is cleared when the scope closes. */
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

/** Runs an effect with a progress line, which is cleared afterwards. */
export const withProgress = <A, E, R>(use: (progress: Progress) => Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.flatMap(make, use))

/** Shows a line every second, for work that reports progress rarely or never. */
export const ticking =
  (show: Progress["show"], line: () => string) =>
  <A, E, R>(work: Effect.Effect<A, E, R>) =>
    Effect.raceFirst(work, Effect.forever(Effect.andThen(Effect.sleep("1 second"), show(line))))

/** Runs an effect and, once it takes longer than a second, shows this line. */
export const withActivity =
  (line: string) =>
  <A, E, R>(work: Effect.Effect<A, E, R>) =>
    withProgress(({ show }) => ticking(show, () => line)(work))

/** `12,345`. */
export const counted = (count: number) => Math.round(count).toLocaleString("en-US")
