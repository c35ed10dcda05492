/** The one place that chooses between the profiles. Each loads only what it runs on. */
import { Effect, Layer, Schema } from "effect"
import { profile } from "../services/Settings.ts"

class ProfileMissing extends Schema.TaggedError<ProfileMissing>()("ProfileMissing", { profile: Schema.String }) {
  override get message() {
    return `The profile ${this.profile} is not in this version of Floe; unset FLOE_PROFILE, or set it to embedded.`
  }
}

const embedded = Effect.promise(() => import("./embedded/Layers.ts"))
type Embedded = Effect.Success<typeof embedded>

const chosen = <A, E, R>(ofEmbedded: (layers: Embedded) => Layer.Layer<A, E, R>) =>
  Layer.unwrap(
    Effect.flatMap(profile, (profile) =>
      profile === "embedded" ? Effect.map(embedded, ofEmbedded) : Effect.fail(new ProfileMissing({ profile }))
    )
  )

/** The log to append to and to read; at most one process has it. */
export const log = chosen((layers) => layers.log)

/** The log to read, beside the process that appends. */
export const logReader = chosen((layers) => layers.logReader)

export const sink = chosen((layers) => layers.sink)

/** SQL over the table; where there is none, nothing is made. */
export const query = chosen((layers) => layers.query)

/** A table as it is described; nothing is made. */
export const tableReader = (table = "weather") => chosen((layers) => layers.tableReader(table))

/** The log and the table to compare; nothing is made. */
export const audit = chosen((layers) => layers.audit)

/** The log to read, where there is one; nothing is made. */
export const logToRead = chosen((layers) => layers.logToRead)

export const maintenance = chosen((layers) => layers.maintenance)

export const replay = chosen((layers) => layers.replay)

/** The parts of the pipeline, its log and its table to look at; nothing is made. */
export const status = chosen((layers) => layers.status)

/** What can be wrong with an installation; nothing is made. */
export const checks = chosen((layers) => layers.checks)
