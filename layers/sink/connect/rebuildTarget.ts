/** What a rebuild is about: a stream with its log, its table and its sink. */
import { Effect } from "effect"
import { connectorOf } from "../../../services/Connector.ts"
import { RebuildRefused } from "../../../services/Rebuild.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { weather } from "../../../services/TableReader.ts"
import { controlTopicOf, coordinatorOf, sinkGroupOf } from "../../../services/Topics.ts"
import { topicNames } from "../../log/kafka/topicNames.ts"
import { retryWhileUnavailable } from "./rebuildFailures.ts"
import { recordColumns } from "./recordColumns.ts"

export interface RebuildSettings {
  /** Replicas of the control topic. */
  readonly replication: number
  /** The bucket of the warehouse. */
  readonly bucket: string
}

/** The names of a stream's sink. */
const sinkOf = (stream: string) => ({
  connector: connectorOf(stream),
  group: sinkGroupOf(stream),
  coordinator: coordinatorOf(stream),
  controlTopic: controlTopicOf(stream)
})

export interface RebuildTarget extends RebuildSettings {
  /** The stream's. */
  readonly topic: string
  /** Its newest version; its name is that of its table. */
  readonly stream: AppliedStream
  readonly name: string
  readonly sink: ReturnType<typeof sinkOf>
  /** What the transform of its connector must have as its columns; undefined for weather. */
  readonly recordColumns: string | undefined
}

/** Of a stream that is to be rebuilt into `default.<table>`; refuses the table of any stream. */
export const targetOf = Effect.fnUntraced(function* (settings: RebuildSettings, name: string, table: string) {
  const refuse = (reason: string) => Effect.fail(new RebuildRefused({ reason }))
  if (table === name) {
    return yield* refuse(
      `${name} is the table that the sink writes; rebuild into another table, and put that one in place with --promote.`
    )
  }
  const streams = yield* retryWhileUnavailable(Streams.use(({ all }) => all))
  const stream = streams.find(({ definition }) => definition.name === name)
  if (stream === undefined) return yield* refuse(`There is no stream ${name}; floe streams list names them all.`)
  if (streams.some(({ definition }) => definition.name === table)) {
    return yield* refuse(`${table} is the table of the stream ${table}; choose another name.`)
  }
  const target: RebuildTarget = {
    ...settings,
    topic: (yield* retryWhileUnavailable(topicNames)).ofStream(name),
    stream,
    name,
    sink: sinkOf(name),
    recordColumns:
      name === weather
        ? undefined
        : JSON.stringify(recordColumns(yield* retryWhileUnavailable(Streams.use(({ history }) => history(name)))))
  }
  return target
})
