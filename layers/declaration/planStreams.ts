/** What a declaration would change in a log that has these streams. Pure. */
import type { CompiledStreams } from "../../services/CompiledStreams.ts"
import { connectorOf } from "../../services/Connector.ts"
import type { AppliedStream, StreamDefinition } from "../../services/StreamDefinition.ts"
import { controlTopicOf, deadLettersOf } from "../../services/Topics.ts"
import { type Change, compareStreams } from "./compareStreams.ts"
import { sentenceOf } from "./Fault.ts"

export interface StreamPlan {
  readonly stream: string
  readonly action: "create" | "change" | "none"
  /** The version that would be in force. */
  readonly version: number
  readonly changes: ReadonlyArray<Change>
  /** What it means for each; empty for nothing. */
  readonly log: ReadonlyArray<string>
  readonly table: ReadonlyArray<string>
  /** Only in the distributed profile. */
  readonly connector?: ReadonlyArray<string>
  readonly endpoint: ReadonlyArray<string>
  /** Why the change is not possible; nothing is applied then. */
  readonly refusals: ReadonlyArray<string>
}

const tableEffects = ({ kind, path, what }: Change): ReadonlyArray<string> => {
  switch (kind) {
    case "add":
      return [`gets the column ${path} (${what}), NULL in earlier rows`]
    case "remove":
      return [`loses the column ${path}; earlier snapshots still have it`]
    case "rename":
      return [`${path} is ${what}, with the same id`]
    case "change":
      return what.includes("→") && !what.startsWith("required") ? [`${path}: ${what}, without rewriting files`] : []
  }
}

const endpointEffects = ({ kind, path, what }: Change): ReadonlyArray<string> => {
  switch (kind) {
    case "add":
      return what === "accepted" ? [`sets ${path}`] : [`accepts ${path}`]
    case "remove":
      return [`rejects ${path}`]
    case "rename":
      return [`accepts ${path}, and rejects its former name`]
    case "change":
      return what === "another description" ? [] : [`${path}: ${what}`]
  }
}

type Profile = "embedded" | "distributed"

const made = ({ name }: StreamDefinition, profile: Profile) =>
  profile === "embedded"
    ? { log: ["keeps its events"], table: [`default.${name} is created with the first commit`] }
    : {
        log: [`gets the topics ${name}, ${deadLettersOf(name)} and ${controlTopicOf(name)}`],
        table: [`default.${name} is created`],
        connector: [`${connectorOf(name)} is registered`]
      }

const created = (wanted: StreamDefinition, profile: Profile): StreamPlan => ({
  stream: wanted.name,
  action: "create",
  version: 1,
  changes: compareStreams([{ definition: { ...wanted, columns: [] }, version: 0, ids: {}, lastId: 0, appliedAt: 0 }], {
    ...wanted,
    columns: wanted.columns.map((column) => ({ ...column, required: false }))
  }).changes,
  ...made(wanted, profile),
  endpoint:
    wanted.writer === undefined
      ? [`accepts events at POST /streams/${wanted.name}/events`]
      : [`rejects events of clients; the processor ${wanted.writer} writes it`],
  refusals: []
})

/** In the order of the declaration. `histories` has every version of each applied stream. */
export const planStreams = (
  { streams }: CompiledStreams,
  histories: ReadonlyMap<string, ReadonlyArray<AppliedStream>>,
  profile: Profile = "embedded"
): ReadonlyArray<StreamPlan> =>
  streams.map((wanted) => {
    const history = histories.get(wanted.name) ?? []
    const applied = history.at(-1)
    if (applied === undefined) return created(wanted, profile)
    const { changes, refusals } = compareStreams(history, wanted)
    const isChanged = changes.length > 0 || refusals.length > 0
    return {
      stream: wanted.name,
      action: isChanged ? "change" : "none",
      version: applied.version + (isChanged ? 1 : 0),
      changes,
      log: isChanged ? [`keeps the events of version ${applied.version} as they are`] : [],
      table: changes.flatMap(tableEffects),
      ...(profile === "distributed" && {
        connector: isChanged ? [`${connectorOf(wanted.name)} restarts with the new columns`] : []
      }),
      endpoint: wanted.writer === undefined ? changes.flatMap(endpointEffects) : [],
      refusals: refusals.map((fault) => sentenceOf(wanted.name, fault))
    }
  })
