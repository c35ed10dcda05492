/** The one place that chooses between the profiles. */
import { Effect, Layer, Schema } from "effect"
import { profile } from "../services/Settings.ts"
import * as Query from "./duckdb/Query.ts"
import * as DataFolder from "./embedded/DataFolder.ts"
import * as Remainder from "./embedded/Remainder.ts"
import * as TableWriter from "./iceberg/TableWriter.ts"
import * as Sink from "./sink/Sink.ts"
import * as EventLog from "./sqlite/EventLog.ts"
import * as EventLogReader from "./sqlite/EventLogReader.ts"
import * as Leases from "./sqlite/Leases.ts"
import * as SinkControl from "./sqlite/SinkControl.ts"

class ProfileMissing extends Schema.TaggedError<ProfileMissing>()("ProfileMissing", { profile: Schema.String }) {
  override get message() {
    return `The profile ${this.profile} is not in this version of Floe; unset FLOE_PROFILE, or set it to embedded.`
  }
}

const chosen = <A, E, R>(embedded: Layer.Layer<A, E, R>) =>
  Layer.unwrap(
    Effect.flatMap(profile, (profile) =>
      profile === "embedded" ? Effect.succeed(embedded) : Effect.fail(new ProfileMissing({ profile }))
    )
  )

/** The log to append to and to read; at most one process has it. */
export const log = chosen(EventLog.layer.pipe(Layer.provideMerge(DataFolder.layer)))

/** The log to read, beside the process that appends. */
export const logReader = chosen(EventLogReader.layer.pipe(Layer.provideMerge(DataFolder.layer)))

export const sink = chosen(
  Remainder.layer.pipe(
    Layer.provideMerge(Sink.layer),
    Layer.provide(TableWriter.layer),
    Layer.provide([Leases.layer, SinkControl.layer])
  )
)

/** SQL over the table; where there is none, nothing is made. */
export const query = chosen(Query.layer.pipe(Layer.provide(Leases.layer), Layer.provide(DataFolder.layerToRead)))
