import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"
import { type InputEvent, ProcessorStopped } from "./Runner.ts"

/** The newest version of the input that an event has. */
export const newestOf = (events: ReadonlyArray<InputEvent>) =>
  events.reduce((newest, { schemaVersion }) => Math.max(newest, schemaVersion), 0)

/** Throws ProcessorStopped if an event has a later version than `known`, for which the module of this process was written. */
export const requireKnownVersion = ({ from, name }: ProcessorDefinition, known: number, version: number) => {
  if (version <= known) return
  throw new ProcessorStopped(
    `The processor ${name} stopped because its input ${from} has changed from version ${known} to ${version} since it started. Start again, so that it runs the changed module.`
  )
}
