/** Which topics have offsets without a record: a count of offsets is then more than that of the records. */
import { Effect } from "effect"
import { Streams } from "../../../services/Streams.ts"
import { byKeyTopicOf, deadLettersOf, stateTopicOf } from "../../../services/Topics.ts"
import { topicNames, unchangedNames } from "../../log/kafka/topicNames.ts"

/** Of the sink, and of rebuilds. */
const control = "control-"

const topicsOf = (processor: string) => {
  const byKey = byKeyTopicOf(processor)
  return [stateTopicOf(processor), byKey, stateTopicOf(byKey)]
}

/** The topics that are written in transactions, whose markers have offsets; none of processors if the streams cannot be read. */
export const writtenInTransactions = Effect.gen(function* () {
  const streams = yield* Effect.orElseSucceed((yield* Streams).all, () => [])
  const { ofProcessor, ofStream } = yield* Effect.orElseSucceed(topicNames, () => unchangedNames)
  const derived = streams.flatMap(({ definition: { name, writer } }) =>
    writer === undefined ? [] : [ofStream(name), deadLettersOf(ofStream(name)), ...topicsOf(ofProcessor(writer))]
  )
  const names = new Set(derived)
  return (topic: string) => names.has(topic) || topic.startsWith(control)
})
