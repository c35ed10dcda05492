/** What a processor needs on Kafka before it can run: its streams, applied, and their topics. */
import { Effect } from "effect"
import type { LogCorrupt, LogUnavailable } from "../../../services/EventLog.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { byKeyTopicOf, deadLettersOf, stateTopicOf } from "../../../services/Topics.ts"
import { readsByKey } from "../../declaration/keyRule.ts"
import { Cluster, type Described } from "../../log/kafka/Cluster.ts"
import type { KafkaFailure } from "../../log/kafka/failures.ts"
import { type TopicNames, topicNames } from "../../log/kafka/topicNames.ts"
import { plural } from "../../runtime/plural.ts"
import { type Bound, bind } from "../bind.ts"
import type { DeclaredProcessor } from "../openProcessor.ts"
import { ProcessorStopped } from "../Runner.ts"
import type { Assignment } from "./serve.ts"
import { processing, rekeying } from "./work.ts"

interface NotYet {
  /** What it waits for: a sentence. */
  readonly waiting: string
}

const isNotEmpty = (history: ReadonlyArray<AppliedStream>): history is Bound["history"] => history.length > 0

/** One for each partition of the input, and before them the one that brings it into another key's order. Fails with ProcessorStopped if the processor can never run on these topics. */
export const assignments = Effect.fnUntraced(function* (
  declared: DeclaredProcessor,
  /** The topics in use, for a generation that is filled beside them. */
  inUse?: TopicNames
): Effect.fn.Return<
  ReadonlyArray<Assignment> | NotYet,
  KafkaFailure | LogUnavailable | LogCorrupt | ProcessorStopped,
  Cluster | Streams
> {
  const { definition, processor } = declared
  const { from, name } = definition
  const streams = yield* Streams
  const { find } = yield* Cluster
  const history = yield* streams.history(from)
  const [output] = (yield* streams.history(definition.to)).slice(-1)
  const [late] = definition.late === null ? [] : (yield* streams.history(definition.late)).slice(-1)
  if (!isNotEmpty(history) || output === undefined || (definition.late !== null && late === undefined)) {
    return { waiting: `The processor ${name} waits until its streams are applied.` }
  }
  const { ofProcessor, ofStream } = yield* topicNames
  const topic = ofStream(from)
  const found = new Map<string, Described>()
  const partitionsOf = (one: string) => found.get(one)?.partitions.length ?? 0
  const missing = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
    for (const one of names) {
      const described = yield* find(one)
      if (described === undefined) return one
      found.set(one, described)
    }
    return undefined
  })
  const outputTopic = (stream: AppliedStream) => {
    const topic = ofStream(stream.definition.name)
    return { stream, topic, partitions: partitionsOf(topic) }
  }
  const own = ofProcessor(name)
  const [stateTopic, byKey] = [stateTopicOf(own), byKeyTopicOf(own)]
  const to = ofStream(definition.to)
  const deadLetters = deadLettersOf(to)
  const names = [topic, stateTopic, deadLetters, to, ...(late ? [ofStream(late.definition.name)] : [])]
  const ofInput = yield* missing(names)
  const count = partitionsOf(topic)
  const isByKey = readsByKey(definition, count)
  const absent = ofInput ?? (isByKey ? yield* missing([byKey, stateTopicOf(byKey)]) : undefined)
  if (absent !== undefined) {
    return {
      waiting: `The processor ${name} waits until the topic ${absent} exists; ${inUse === undefined ? "floe streams apply" : "its rebuild"} creates it.`
    }
  }
  const stop = (sentence: string) => Effect.fail(new ProcessorStopped(`The processor ${name} cannot run: ${sentence}`))
  if (partitionsOf(stateTopic) !== count) {
    return yield* stop(
      `the topic ${topic} has ${plural(count, "partition")}, and its state topic ${stateTopic} has ${partitionsOf(stateTopic)}. The number of partitions of a stream with a processor is fixed: added partitions change the partition of its keys.`
    )
  }
  if (isByKey && partitionsOf(byKey) !== count) {
    return yield* stop(
      `the topic ${topic} has ${plural(count, "partition")}, and its topic ${byKey} has ${partitionsOf(byKey)}; nobody may add partitions to it.`
    )
  }
  const bound = bind(processor, definition, history, output.definition)
  const read = isByKey ? byKey : topic
  const closeWhenIdle = inUse === undefined ? definition.closeWhenIdle : undefined
  const earlier =
    inUse === undefined || definition.closeWhenIdle === undefined
      ? undefined
      : { topic: stateTopicOf(inUse.ofProcessor(name)), sameInput: !isByKey && inUse.ofStream(from) === topic }
  const partitions = Array.from({ length: count }, (_, partition): Assignment => {
    const reads = {
      bound,
      partition,
      partitions: count,
      topic: read,
      stateTopic,
      output: outputTopic(output),
      late: late === undefined ? undefined : outputTopic(late),
      copied: isByKey ? { topic, byKey, partitions: count } : undefined,
      earlier
    }
    return {
      name: own,
      what: `The processor ${name}, partition ${partition},`,
      partition,
      closeWhenIdle,
      open: processing(reads),
      reads
    }
  })
  if (!isByKey) return partitions
  const first: Assignment = {
    name: byKey,
    what: `The processor ${name}, which reads ${topic} by another key,`,
    partition: 0,
    closeWhenIdle: undefined,
    open: rekeying(bound, {
      topic,
      byKey,
      deadLetters,
      partitions: count
    }),
    reads: undefined
  }
  return [first, ...partitions]
})
