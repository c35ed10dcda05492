/** The one place that chooses between the profiles. Only the packages of the chosen one are loaded. */
import { Effect, Layer, Schema } from "effect"
import type { Maintenance } from "../../services/Maintenance.ts"
import { profile } from "../../services/Settings.ts"
import type { TableReader } from "../../services/TableReader.ts"
import type { ProfileLayers } from "./ProfileLayers.ts"

class EmbeddedMissing extends Schema.TaggedError<EmbeddedMissing>()("EmbeddedMissing", { cause: Schema.Defect() }) {
  override get message() {
    return "The embedded profile cannot run here because its packages are not installed. Set FLOE_PROFILE to distributed, as the image does, or run npm ci."
  }
}

const isNotInstalled = (cause: unknown) =>
  cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND"

const embedded = Effect.tryPromise({ try: () => import("./embedded.ts"), catch: (cause) => cause }).pipe(
  Effect.catch((cause) => (isNotInstalled(cause) ? Effect.fail(new EmbeddedMissing({ cause })) : Effect.die(cause))),
  Effect.map(({ layers }) => layers)
)
type Embedded = Effect.Success<typeof embedded>

const distributed = Effect.map(
  Effect.promise(() => import("./distributed.ts")),
  ({ layers }) => layers
)
type Distributed = Effect.Success<typeof distributed>

type Name = Exclude<keyof ProfileLayers, "tableReader" | "maintenance">
type Provided<K extends Name> = Layer.Success<ProfileLayers[K]>
type Failure<K extends Name> = Layer.Error<Embedded[K] | Distributed[K]>
type Needed<K extends Name> = Layer.Services<ProfileLayers[K]>

const chosen = Effect.flatMap(
  profile,
  (profile): Effect.Effect<Embedded | Distributed, EmbeddedMissing> => (profile === "embedded" ? embedded : distributed)
)

/** What both profiles promise, with the errors of either. */
type Either = { readonly [K in Name]: Layer.Layer<Provided<K>, Failure<K>, Needed<K>> }
const either: Effect.Effect<Either, Effect.Error<typeof chosen>> = chosen

/** A layer of the chosen profile. */
export const layer = <K extends Name>(name: K) =>
  Layer.unwrap<Provided<K>, Failure<K>, Needed<K>, Effect.Error<typeof chosen>, never>(
    Effect.map(either, (layers) => layers[name])
  )

type ReaderFailure = Layer.Error<ReturnType<(Embedded | Distributed)["tableReader"]>>

/** A table to read, by name. */
export const tableReader = (table = "weather") =>
  Layer.unwrap(Effect.map(chosen, (layers): Layer.Layer<TableReader, ReaderFailure> => layers.tableReader(table)))

type MaintenanceFailure = Layer.Error<ReturnType<(Embedded | Distributed)["maintenance"]>>

/** Maintenance of a stream's table. */
export const maintenance = (stream: string) =>
  Layer.unwrap(Effect.map(chosen, (layers): Layer.Layer<Maintenance, MaintenanceFailure> => layers.maintenance(stream)))

/** Waits for the sink of the embedded profile, and fails when it stops. Imported late: the image lacks its packages. */
export const sinkFailure = Effect.flatMap(
  Effect.promise(() => import("../sink/Sink.ts")),
  ({ Sink }) => Effect.flatMap(Sink, ({ failure }) => failure)
)
