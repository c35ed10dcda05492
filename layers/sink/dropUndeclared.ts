/** Changes that were begun for streams which are not declared any more. One whose table has something of it cannot be dropped. */
import { Effect } from "effect"
import { Streams } from "../../services/Streams.ts"
import { TableEvolution } from "../../services/TableEvolution.ts"

const listed = new Intl.ListFormat("en-GB")

const stay = (topics: ReadonlyArray<string>) =>
  topics.length === 0
    ? ""
    : ` Its ${topics.length === 1 ? "topic" : "topics"} ${listed.format(topics)} ${topics.length === 1 ? "stays" : "stay"}; if no other program uses ${topics.length === 1 ? "it" : "them"}, remove ${topics.length === 1 ? "it" : "them"} with docker exec kafka kafka-topics --bootstrap-server localhost:9092 --delete --topic ${topics.join(",")}`

export interface UndeclaredChange {
  readonly stream: string
  readonly version: number
  readonly action: "drop" | "keep"
  /** What `apply` will do. */
  readonly sentence: string
}

const undeclared = Effect.fnUntraced(function* (declared: ReadonlySet<string>) {
  const streams = yield* Streams
  const { inspect, topics } = yield* TableEvolution
  const left = (yield* streams.pending).filter(({ definition }) => !declared.has(definition.name))
  return yield* Effect.forEach(
    left,
    Effect.fnUntraced(function* ({ definition: { name }, version }) {
      const history = yield* streams.history(name)
      const { begun } = yield* inspect(name, history.at(-1))
      const kept =
        begun?.isBinding === true
          ? `${name}: a change to version ${version} stopped ${begun.stopped}, so it cannot be dropped. Declare the stream again, and run floe streams apply to complete it.`
          : undefined
      const isCreation = history.length === 0
      return { name, version, history, kept, isCreation, stay: isCreation ? stay(yield* topics(name)) : "" }
    }),
    { concurrency: 4 }
  )
})

/** What `dropUndeclared` would do. Changes nothing. */
export const planUndeclared = Effect.fn("planUndeclared")(function* (declared: ReadonlySet<string>) {
  return (yield* undeclared(declared)).map(({ isCreation, kept, name, stay, version }): UndeclaredChange => {
    const dropped = isCreation
      ? `${name}: its creation stopped before it had a table, and it is not declared any more; floe streams apply drops it.${stay}`
      : `${name}: a change to version ${version} stopped before its table had any of it, and the stream is not declared any more; floe streams apply drops the change.`
    return { stream: name, version, action: kept === undefined ? "drop" : "keep", sentence: kept ?? dropped }
  })
})

/** Ends these changes. Returns what was done, as sentences. */
export const dropUndeclared = Effect.fn("dropUndeclared")(function* (declared: ReadonlySet<string>) {
  const { withdraw } = yield* Streams
  const { restore } = yield* TableEvolution
  const ends = yield* Effect.forEach(
    yield* undeclared(declared),
    Effect.fnUntraced(function* ({ history, isCreation, kept, name, stay }) {
      if (kept !== undefined) return [kept]
      if (!isCreation) return (yield* restore(history)).map((what) => `${name}: ${what}.`)
      yield* withdraw(name)
      return [`${name}: it is not declared any more, so its creation is dropped.${stay}`]
    }),
    { concurrency: 4 }
  )
  return ends.flat()
})
