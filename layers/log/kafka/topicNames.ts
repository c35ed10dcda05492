/**
 * The names of the topics in use. Those that a processor writes have the number of its generation once it was rebuilt:
 * `hourly_mean-2`, `hourly_mean-2-state`. The names of streams and processors have no hyphen.
 */
import { Effect } from "effect"
import { topic as weatherTopic } from "../../../services/Settings.ts"
import { type RunningRebuild, Streams } from "../../../services/Streams.ts"
import { weatherStream } from "../../../services/Weather.ts"

export interface TopicNames {
  /** The topic of a stream; that of its dead letters begins with it. */
  readonly ofStream: (stream: string) => string
  /** What the names of a processor's own topics begin with (services/Topics.ts has the rest). */
  readonly ofProcessor: (processor: string) => string
}

const inGeneration = (name: string, generation: number | undefined) =>
  generation === undefined || generation === 1 ? name : `${name}-${generation}`

/** Where the streams cannot be read: as if nothing was ever rebuilt. */
export const unchangedNames: TopicNames = { ofStream: (name) => name, ofProcessor: (name) => name }

export const topicNames = Effect.gen(function* () {
  const streams = yield* Streams
  const weather = yield* Effect.orDie(weatherTopic)
  const [all, generations] = yield* Effect.all([streams.all, streams.generations])
  const writers = new Map(all.map(({ definition: { name, writer } }) => [name, writer]))
  return {
    ofStream: (stream) =>
      stream === weatherStream.definition.name
        ? weather
        : inGeneration(stream, generations.get(writers.get(stream) ?? "")),
    ofProcessor: (processor) => inGeneration(processor, generations.get(processor))
  } satisfies TopicNames
})

/** The streams with the topics of these generations, by processor, in place of those in use. */
export const withGenerations = (
  streams: Streams["Service"],
  generations: ReadonlyArray<readonly [processor: string, generation: number]>
): Streams["Service"] =>
  Streams.of({
    ...streams,
    generations: Effect.map(streams.generations, (known) => new Map([...known, ...generations]))
  })

/** The streams with the topics that a rebuild fills in place of those in use, and the processors as it has them. */
export const rebuiltStreams = (streams: Streams["Service"], { definitions, generation }: RunningRebuild) =>
  Streams.of({
    ...withGenerations(
      streams,
      definitions.map(({ name }) => [name, generation])
    ),
    processors: Effect.succeed(definitions)
  })
