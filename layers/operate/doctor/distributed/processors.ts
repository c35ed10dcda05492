/** Checks of the processors: each runs, and the topics that it reads and keeps its state in are as it needs them. */
import { Effect, Option } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import { ConsumerGroups } from "../../../../services/ConsumerGroups.ts"
import type { ProcessorDefinition } from "../../../../services/ProcessorDefinition.ts"
import { weatherHourly } from "../../../../services/Settings.ts"
import { Streams } from "../../../../services/Streams.ts"
import { byKeyTopicOf, stateTopicOf, Topics } from "../../../../services/Topics.ts"
import { readsByKey } from "../../../declaration/keyRule.ts"
import type { TopicNames } from "../../../log/kafka/topicNames.ts"
import { type ProcessorReport, ProcessorReports } from "../../../process/ProcessorReports.ts"
import { plural } from "../../../runtime/plural.ts"
import { processorRebuildLock } from "../../../sink/connect/applyLock.ts"
import { expiring as expiringLog } from "./topics.ts"

const another = "Declare a new stream, and a processor of another name that reads it and writes another stream."

const added = (name: string, topic: string, count: number, before: number): Finding => ({
  finding: `The topic ${topic}, which the processor ${name} reads, has ${plural(count, "partition")}, and had ${before} when the processor was applied: partitions were added by hand.`,
  consequence:
    "The processor is stopped: events of one key are in several partitions, so its rows would depend on their order in time.",
  fix: another
})

const grown = (name: string, topic: string, input: string, count: number, wanted: number): Finding => ({
  finding: `The topic ${topic} of the processor ${name} has ${plural(count, "partition")}, and ${input} has ${wanted}.`,
  consequence: "The processor is stopped: events of one key are in several partitions.",
  fix: another
})

const missing = (name: string, topic: string, what: string): Finding => ({
  finding: `There is no topic ${topic}.`,
  consequence: `The processor ${name} cannot run: the topic has ${what}.`,
  fix: `If ${name} has written nothing yet, \`floe streams apply\` creates it. Otherwise restore the volumes of Kafka from a copy, or give the processor another name and another output stream.`
})

const expiring = (name: string, topic: string, cleanup: string): Finding => ({
  finding: `The topic ${topic} has cleanup.policy=${cleanup}, not compact.`,
  consequence: `The state of the processor ${name} expires, or grows without end.`,
  fix: `\`docker exec kafka kafka-configs --bootstrap-server localhost:9092 --alter --topic ${topic} --add-config cleanup.policy=compact\``
})

/** Of the topics through which a processor reads by another key; its input has `count` partitions. */
const byKeyTopics = Effect.fnUntraced(function* (name: string, topic: string, input: string, count: number) {
  const topics = yield* Topics
  const state = stateTopicOf(topic)
  const [log, place, limits, retention] = yield* Effect.all(
    [topics.describe(topic), topics.describe(state), topics.retention(topic), topics.retention(state)],
    { concurrency: 4 }
  )
  const partitions = Option.match(log, { onNone: () => count, onSome: ({ partitions }) => partitions.length })
  const cleanup = Option.match(retention, { onNone: () => "compact", onSome: ({ cleanup }) => cleanup })
  const lost = "The processor stops once it must read again what has expired; its rows cannot be explained any more."
  return [
    ...(Option.isNone(log) ? [missing(name, topic, "the events of its input by its own key")] : []),
    ...(Option.isNone(place) ? [missing(name, state, "its place in its input")] : []),
    ...(partitions === count ? [] : [grown(name, topic, input, partitions, count)]),
    ...Option.match(limits, { onNone: () => [], onSome: (found) => expiringLog(topic, found, lost) }),
    ...(cleanup === "compact" ? [] : [expiring(name, state, cleanup)])
  ]
})

/** Of one processor. */
export const processorTopics = (definition: ProcessorDefinition, { ofProcessor, ofStream }: TopicNames) => {
  const { from, name } = definition
  const input = ofStream(from)
  const own = ofProcessor(name)
  const state = stateTopicOf(own)
  return {
    name: `topics of the processor ${name}`,
    ok: `The topic ${state} exists, is compacted, and has as many partitions as ${input}.`,
    needs: ["kafka"],
    run: Effect.gen(function* () {
      const topics = yield* Topics
      const [ofInput, ofState, retention] = yield* Effect.all(
        [topics.describe(input), topics.describe(state), topics.retention(state)],
        { concurrency: 3 }
      )
      if (Option.isNone(ofState)) return [missing(name, state, "its state, and how far it is")]
      const before = ofState.value.partitions.length
      const count = Option.match(ofInput, { onNone: () => before, onSome: ({ partitions }) => partitions.length })
      const cleanup = Option.match(retention, { onNone: () => "compact", onSome: ({ cleanup }) => cleanup })
      return [
        ...(count === before ? [] : [added(name, input, count, before)]),
        ...(cleanup === "compact" ? [] : [expiring(name, state, cleanup)]),
        ...(readsByKey(definition, before) ? yield* byKeyTopics(name, byKeyTopicOf(own), input, before) : [])
      ]
    })
  }
}

const logs = "docker compose logs processor says why; docker compose up --wait processor starts it."

const ofState = ({ definition: { from, name, to }, lag, reason, state }: ProcessorReport): ReadonlyArray<Finding> => {
  const consequence = `${to} gets no new rows, or not all of them, and ${plural(lag, "event")} of ${from} wait.`
  if (state === "running" || (lag === 0 && state !== "waiting" && state !== "stopped")) return []
  if (state === "paused") {
    return [{ finding: `The processor ${name} is paused.`, consequence, fix: `floe processor resume ${name}` }]
  }
  if (state === "stopped") {
    const fix = `Correct the module, compare it with the log (floe processor test ${name} --from-log), and start the program again (docker compose restart processor).`
    return [{ finding: reason ?? `The processor ${name} is stopped.`, consequence, fix }]
  }
  return [
    { finding: `The processor ${name} does not run${reason === null ? "." : `: ${reason}`}`, consequence, fix: logs }
  ]
}

export const processorsRun = {
  name: "processors",
  ok: "Every processor runs, or has nothing to do.",
  needs: ["kafka"],
  run: Effect.gen(function* () {
    const reports = yield* (yield* ProcessorReports).all
    const withBuiltIn = yield* weatherHourly
    return reports
      .filter(({ definition: { name }, state }) => withBuiltIn || name !== "weather_hourly" || state === "stopped")
      .flatMap(ofState)
  })
}

/** That no rebuild has stopped half-way. */
export const rebuilds = {
  name: "rebuilds of processors",
  ok: "No rebuild of a processor has stopped half-way.",
  needs: ["kafka"],
  run: Effect.gen(function* () {
    const rebuild = yield* (yield* Streams).rebuild
    if (rebuild === undefined || rebuild.phase === "abandoned") return []
    const [{ name }] = rebuild.definitions
    const group = yield* (yield* ConsumerGroups).find(processorRebuildLock)
    const isRunning = Option.exists(group, ({ members }) => members.length > 0)
    const isFilling = rebuild.phase === "filling"
    const consequence = isFilling
      ? "Nothing has changed yet."
      : "Some tables have the new rows, and some the old ones; the sinks of the others are stopped."
    const finding: Finding = isRunning
      ? { finding: `The processor ${name} is being rebuilt.`, consequence, fix: "Wait until it ends.", warning: true }
      : {
          finding: `A rebuild of the processor ${name} was interrupted.`,
          consequence,
          fix: `\`floe processor rebuild ${name}\` ${isFilling ? "begins again" : "completes it"}.`
        }
    return [finding]
  })
}
