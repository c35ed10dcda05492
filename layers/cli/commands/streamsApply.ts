import { Effect, Stream } from "effect"
import { Command } from "effect/cli"
import { ProcessorEvolution } from "../../../services/ProcessorEvolution.ts"
import { profile } from "../../../services/Settings.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"
import { type BegunChange, type EvolutionFailed, TableEvolution } from "../../../services/TableEvolution.ts"
import { builtInNames } from "../../declaration/compileStreams.ts"
import * as Declaration from "../../declaration/Declaration.ts"
import { sentenceOf } from "../../declaration/Fault.ts"
import { planStreams } from "../../declaration/planStreams.ts"
import { planProcessor } from "../../process/planProcessors.ts"
import * as Profile from "../../profile/Profile.ts"
import { applyStream, bringIn, tableRefusal } from "../../sink/applyStream.ts"
import { dropUndeclared, planUndeclared } from "../../sink/dropUndeclared.ts"
import { colorize } from "../terminal/colorize.ts"
import { print } from "../terminal/Output.ts"
import { json, printJson } from "../terminal/printJson.ts"
import { renderPlan } from "../terminal/renderPlan.ts"
import { retryWhileStarting } from "../terminal/retryWhileStarting.ts"
import { withWorkProgress } from "../terminal/WorkProgress.ts"

const begunText = ({ next: { version }, stopped }: BegunChange, isCompleted: boolean, isApplied: boolean) => {
  if (!isCompleted) return `an earlier change to version ${version} stopped ${stopped}.`
  return isApplied
    ? `an earlier change had stopped ${stopped}; it is complete now, as version ${version}.`
    : `an earlier change stopped ${stopped}; floe streams apply completes it first, as version ${version}.`
}

const retried = (wait: number) => retryWhileStarting<EvolutionFailed>(wait, ({ isTemporary }) => isTemporary === true)

/** Streams that are read, or applied, at the same time. */
const concurrency = 4

/** The declaration that is to be applied. */
export const declared = Effect.gen(function* () {
  const file = yield* Declaration.required
  return { file, compiled: yield* Declaration.read(file) }
})
export type Declared = Effect.Success<typeof declared>

/**
 * What the declaration would change in this log; `possible` fails if it is not. A change that died half-way counts as
 * done, as it cannot be undone; with `isApplied` it is completed.
 */
export const planned = Effect.fnUntraced(function* (
  { compiled, file }: Declared,
  json: boolean,
  isApplied: boolean,
  wait = 0
) {
  const streams = yield* Streams
  const { inspect } = yield* TableEvolution
  const read = yield* Effect.forEach(
    compiled.streams,
    Effect.fnUntraced(function* ({ name }) {
      const history = yield* streams.history(name)
      return { name, history, state: yield* retried(wait)(inspect(name, history.at(-1))) }
    }),
    { concurrency }
  )
  const states = new Map(read.map(({ name, state }) => [name, state]))
  const histories = new Map<string, ReadonlyArray<AppliedStream>>()
  const completed: Array<{ readonly stream: string; readonly version: number }> = []
  for (const { name, history, state } of read) {
    const { begun, fault } = state
    const isCompleted = begun?.isBinding === true && fault === undefined
    histories.set(name, isCompleted ? [...history, begun.next] : history)
    if (begun === undefined) continue
    const { next } = begun
    if (isCompleted) {
      if (isApplied) yield* Effect.scoped(withWorkProgress((onProgress) => bringIn(next, onProgress)))
      completed.push({ stream: name, version: next.version })
    }
    if (!json) yield* print(Stream.make(`${name}: ${begunText(begun, isCompleted, isApplied)}\n`))
  }
  const plans = yield* Effect.forEach(
    planStreams(compiled, histories, yield* profile).entries(),
    Effect.fnUntraced(function* ([index, plan]) {
      const { fault, lastId = 0 } = states.get(plan.stream) ?? {}
      const wanted = compiled.streams[index]
      const isPossible = fault === undefined && plan.action === "change" && plan.refusals.length === 0
      const sentence =
        isPossible && wanted !== undefined
          ? yield* retried(wait)(tableRefusal(histories.get(plan.stream) ?? [], lastId, wanted))
          : fault
      return sentence === undefined ? plan : { ...plan, refusals: [sentenceOf(plan.stream, { path: "", sentence })] }
    }),
    { concurrency }
  )
  const { inspect: inspectProcessor } = yield* ProcessorEvolution
  const processors = yield* Effect.forEach(compiled.processors ?? [], (processor) =>
    Effect.map(retried(wait)(inspectProcessor(processor)), (state) =>
      state === undefined ? [] : [planProcessor(processor, state)]
    )
  ).pipe(Effect.map((plans) => plans.flat()))
  // What `apply` does with them, it prints when it is done.
  const undeclared = isApplied ? [] : yield* planUndeclared(new Set(compiled.streams.map(({ name }) => name)))
  const isEnded =
    undeclared.some(({ action }) => action === "drop") || read.some(({ state }) => state.begun !== undefined)
  if (!json) {
    yield* print(Stream.fromIterable(undeclared.map(({ sentence }) => `${sentence}\n`)))
    yield* print(Stream.make(renderPlan(plans, processors, yield* colorize, { isApplied, isEnded })))
  }
  const sentences = [...plans, ...processors].flatMap(({ refusals }) => refusals)
  const possible =
    sentences.length > 0 ? Effect.fail(new Declaration.DeclarationInvalid({ file, sentences })) : Effect.void
  return { plans, processors, undeclared, possible, completed, histories }
})

interface Options {
  readonly json: boolean
  /** Seconds to wait for what is starting. */
  readonly wait?: number
}

/** Applies the declaration, and prints the plan and what was applied. */
export const applyDeclared = Effect.fn("floe streams apply")(function* (wanted: Declared, { json, wait = 0 }: Options) {
  yield* retried(wait)((yield* TableEvolution).exclusive)
  const { plans, processors, possible, completed, histories } = yield* planned(wanted, json, true, wait)
  const { compiled } = wanted
  yield* possible
  const applied: Array<{ readonly stream: string; readonly version: number } | { readonly processor: string }> =
    completed.filter(({ stream }) => plans.find((plan) => plan.stream === stream)?.action === "none")
  const { restore } = yield* TableEvolution
  yield* Effect.forEach(
    compiled.streams.entries(),
    Effect.fnUntraced(function* ([index, wanted]) {
      if (plans[index]?.action === "none") {
        const restored = yield* retried(wait)(restore(histories.get(wanted.name) ?? []))
        if (!json) yield* print(Stream.fromIterable(restored.map((what) => `${wanted.name}: ${what}.\n`)))
        return
      }
      const version = yield* withWorkProgress((onProgress) =>
        applyStream(wanted, onProgress).pipe(
          retryWhileStarting(wait, (error) => error._tag === "EvolutionFailed" && error.isTemporary === true)
        )
      )
      applied.push({ stream: wanted.name, version })
      if (!json) yield* print(Stream.make(`Applied: ${wanted.name} is at version ${version}.\n`))
    }),
    { concurrency }
  )
  const ended = yield* dropUndeclared(new Set([...builtInNames, ...compiled.streams.map(({ name }) => name)]))
  if (!json) yield* print(Stream.fromIterable(ended.map((sentence) => `${sentence}\n`)))
  // After their streams: a processor that finds its state's topic has all that it writes to.
  const { bringTo } = yield* ProcessorEvolution
  for (const processor of compiled.processors ?? []) {
    const { name } = processor
    const plan = processors.find((plan) => plan.processor === name)
    if (plan === undefined) continue
    yield* withWorkProgress((onProgress) => retried(wait)(bringTo(processor, onProgress)))
    if (plan.action === "none") continue
    applied.push({ processor: name })
    if (!json) yield* print(Stream.make(`Applied: the processor ${name}.\n`))
  }
  if (json) yield* printJson(applied)
}, Effect.scoped)

export const apply = Command.make("apply", { json }, (options) =>
  // Before the lock, so that a declaration that is refused has created nothing.
  Effect.flatMap(declared, (wanted) => applyDeclared(wanted, options))
).pipe(
  Command.withDescription(
    "Apply the declaration: create the streams that are new, and change those that exist. Each stream changes first in its table and then in the log, which a running server follows within seconds. The server and the sink may run or be stopped. Floe shows the plan first, and changes nothing if a change is not possible. If it is interrupted, run it again."
  ),
  Command.withShortDescription("Make the log and the tables follow the declaration"),
  Command.withExamples([
    { command: "floe streams apply", description: "Apply floe.streams.ts" },
    { command: "floe streams apply --json", description: "Print the changed streams as JSON" }
  ]),
  Command.provide(Profile.layer("evolution"))
)
