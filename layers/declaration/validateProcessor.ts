/** What processors must satisfy: names, lengths, one writer a stream, no circle. */
import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import type { StreamDefinition } from "../../services/StreamDefinition.ts"
import { weatherStream } from "../../services/Weather.ts"
import { type Fault, processorSentence } from "./Fault.ts"

const processorName = /^[a-z][a-z0-9_]{0,55}$/
const reservedEndings = ["_late", "_state", "_by_key"]

const day = 86_400_000
const maxLength = 366 * day
/** Windows that an event is in. */
const maxWindows = 1_000

const nameFaults = (name: string): ReadonlyArray<Fault> => {
  const one = (sentence: string) => [{ path: "", sentence }]
  // The streams and topics that belong to it have its name with an ending.
  if (!processorName.test(name)) {
    return one("a processor's name is made of a–z, 0–9 and _, begins with a letter, and has at most 56 characters")
  }
  if (name === weatherStream.definition.name) return one("the name weather belongs to the built-in stream")
  const ending = reservedEndings.find((one) => name.endsWith(one))
  return ending === undefined ? [] : one(`names that end in ${ending} are reserved`)
}

const lengthFault = (path: string, millis: number, least: number): ReadonlyArray<Fault> =>
  Number.isInteger(millis) && millis >= least && millis <= maxLength
    ? []
    : [{ path, sentence: `it must be a whole number of milliseconds, from ${least} to 366 days` }]

/** Of the window and of what events may be late. */
export const lengthFaults = ({
  ahead,
  closeWhenIdle,
  kind,
  lateness,
  outOfOrder,
  window
}: ProcessorDefinition): ReadonlyArray<Fault> => {
  if (kind !== "window" || window === null) return []
  const ofWindow = () => {
    if (window.type === "session") return lengthFault("window, gap", window.gap, 1)
    const size = lengthFault("window, size", window.size, 1)
    if (window.type === "tumbling" || size.length > 0) return size
    const every = lengthFault("window, every", window.every, 1)
    if (every.length > 0) return every
    if (window.every > window.size) {
      return [{ path: "window, every", sentence: "it must not be longer than the window, or events would be in none" }]
    }
    return window.size / window.every > maxWindows
      ? [{ path: "window, every", sentence: `an event would be in more than ${maxWindows} windows` }]
      : []
  }
  return [
    ...ofWindow(),
    ...lengthFault("outOfOrder", outOfOrder, 0),
    ...lengthFault("lateness", lateness, 0),
    ...lengthFault("ahead", ahead, 0),
    ...(closeWhenIdle === undefined ? [] : lengthFault("closeWhenIdle", closeWhenIdle, 1_000))
  ]
}

const circleFrom = (start: ProcessorDefinition, byInput: ReadonlyMap<string, ReadonlyArray<ProcessorDefinition>>) => {
  const seen = new Set<string>()
  const open = [start.to, ...(start.late === null ? [] : [start.late])]
  for (let stream = open.pop(); stream !== undefined; stream = open.pop()) {
    if (stream === start.from) return true
    if (seen.has(stream)) continue
    seen.add(stream)
    for (const { late, to } of byInput.get(stream) ?? []) open.push(to, ...(late === null ? [] : [late]))
  }
  return false
}

/** Every fault of the processors of a module or of a compiled file, as sentences. `streams` are those that it declares. */
export const validateProcessors = (
  processors: ReadonlyArray<ProcessorDefinition>,
  streams: ReadonlyArray<StreamDefinition>
): ReadonlyArray<string> => {
  const byInput = Map.groupBy(processors, ({ from }) => from)
  const byName = new Map([weatherStream.definition, ...streams].map((stream) => [stream.name, stream]))
  return processors.flatMap((processor, index) => {
    const { from, kind, name, to } = processor
    const sentence = (path: string, text: string) => processorSentence(name, { path, sentence: text })
    const before = processors.slice(0, index)
    const input = byName.get(from)
    const output = byName.get(to)
    const faults = nameFaults(name).map((fault) => processorSentence(name, fault))
    if (name === "weather_hourly" && (from !== weatherStream.definition.name || to !== name)) {
      faults.push(sentence("", "the name weather_hourly belongs to the built-in processor"))
    }
    if (before.some((other) => other.name === name)) faults.push(sentence("", "two processors have this name"))
    if (name !== to && byName.has(name)) faults.push(sentence("", "a stream that it does not write has this name"))
    const other = before.find((one) => one.to === to)
    if (other !== undefined) {
      faults.push(
        sentence("to", `the processor ${other.name} writes the stream ${to} already; a stream has one writer`)
      )
    }
    if (to === weatherStream.definition.name) faults.push(sentence("to", "clients write the stream weather"))
    else if (output === undefined && to !== "") faults.push(sentence("to", `there is no stream ${to}`))
    if (input === undefined && from !== "") faults.push(sentence("from", `there is no stream ${from}`))
    if (circleFrom(processor, byInput)) faults.push(sentence("from", `its rows would come back to it through ${from}`))
    if (kind === "filter" && input !== undefined && output !== undefined) {
      const shape = ({ columns }: StreamDefinition) =>
        JSON.stringify(columns.map(({ doc: _, renamedFrom: __, ...column }) => column))
      if (shape(input) !== shape(output)) faults.push(sentence("to", `it must have the columns of ${from}`))
    }
    return faults
  })
}
