import { Effect, Layer, Schema } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import {
  type ConnectError,
  Connector,
  ConnectorConfig,
  ConnectorInvalid,
  ConnectorMissing,
  type FieldErrors
} from "../../../services/Connector.ts"
import { connectUrl } from "../../../services/Settings.ts"
import * as Rest from "./rest.ts"

const Config = Schema.fromJsonString(ConnectorConfig)
const Names = Schema.fromJsonString(Schema.Array(Schema.String))

const Running = Schema.Struct({
  state: Schema.String,
  worker_id: Schema.optionalKey(Schema.String),
  trace: Schema.optionalKey(Schema.NullOr(Schema.String))
})
const Status = Schema.fromJsonString(
  Schema.Struct({ connector: Running, tasks: Schema.Array(Schema.Struct({ id: Schema.Int, ...Running.fields })) })
)

const Validation = Schema.fromJsonString(
  Schema.Struct({
    configs: Schema.Array(
      Schema.Struct({ value: Schema.Struct({ name: Schema.String, errors: Schema.Array(Schema.String) }) })
    )
  })
)

const runningOf = ({ state, worker_id, trace }: typeof Running.Type) => ({
  state,
  worker: worker_id ?? null,
  trace: trace ?? null
})

/** Whether two connectors have the same settings. */
export const isSameConfig = (a: ConnectorConfig, b: ConnectorConfig) =>
  Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([key, value]) => b[key] === value)

const noSuchClass = (reason: string) =>
  /Failed to find any class .*?(?=, available connectors)/s.exec(reason)?.[0].replace(/\s+/g, " ")

const orMissing = (name: string, task?: number) =>
  Effect.mapError((error: ConnectError) => {
    if (error._tag !== "ConnectRejected" || error.status !== 404) return error
    return new ConnectorMissing(task === undefined ? { name } : { name, task })
  })

/** Talks to Kafka Connect at `base`, whose path is kept as a prefix. */
export const at = (base: URL) =>
  Layer.effect(
    Connector,
    Effect.gen(function* () {
      const rest = yield* Rest.make(`${base.origin}${base.pathname.replace(/\/$/, "")}`)
      const path = (name: string, rest = "") => `/connectors/${encodeURIComponent(name)}${rest}`

      const config = Effect.fn("Connector.config")(function* (name: string) {
        const request = HttpClientRequest.get(path(name, "/config"))
        return yield* rest.read("config", Config, request).pipe(orMissing(name))
      })

      const validate = Effect.fn("Connector.validate")(function* (name: string, config: ConnectorConfig) {
        const connectorClass = config["connector.class"]
        if (!connectorClass) {
          const missing: FieldErrors = { field: "connector.class", messages: ["is missing"] }
          return [missing]
        }
        const request = HttpClientRequest.put(
          `/connector-plugins/${encodeURIComponent(connectorClass)}/config/validate`
        ).pipe(HttpClientRequest.bodyJsonUnsafe({ ...config, name }))
        return yield* rest.read("validate", Validation, request).pipe(
          Effect.map(
            ({ configs }): ReadonlyArray<FieldErrors> =>
              configs
                .filter(({ value }) => value.errors.length > 0)
                .map(({ value }) => ({ field: value.name, messages: value.errors }))
          ),
          Effect.catchTag("ConnectRejected", (error) => {
            const message = noSuchClass(error.reason)
            return message === undefined
              ? Effect.fail(error)
              : Effect.succeed([{ field: "connector.class", messages: [message] }])
          })
        )
      })

      const register = Effect.fn("Connector.register")(function* (name: string, settings: ConnectorConfig) {
        const wanted = { ...settings, name }
        const errors = yield* validate(name, wanted)
        if (errors.length > 0) return yield* new ConnectorInvalid({ name, errors })
        const current = yield* config(name).pipe(Effect.catchTag("ConnectorMissing", () => Effect.undefined))
        // Kafka Connect restarts the tasks even if nothing has changed.
        if (current !== undefined && isSameConfig(current, wanted)) return "unchanged"
        yield* rest.send(
          "register",
          HttpClientRequest.put(path(name, "/config")).pipe(HttpClientRequest.bodyJsonUnsafe(wanted))
        )
        return current === undefined ? "created" : "updated"
      })

      const status = Effect.fn("Connector.status")(function* (name: string) {
        return yield* rest.read("status", Status, HttpClientRequest.get(path(name, "/status"))).pipe(
          Effect.map(({ connector, tasks }) => ({
            name,
            connector: runningOf(connector),
            tasks: tasks.map((task) => ({ id: task.id, ...runningOf(task) }))
          })),
          orMissing(name),
          // A new connector has no status for a moment (tested).
          Effect.catchTag("ConnectorMissing", () =>
            Effect.as(config(name), { name, connector: { state: "UNASSIGNED", worker: null, trace: null }, tasks: [] })
          )
        )
      })

      const command = (operation: string, name: string, request: HttpClientRequest.HttpClientRequest, task?: number) =>
        Effect.asVoid(rest.send(operation, request)).pipe(orMissing(name, task))

      return Connector.of({
        register,
        validate,
        names: rest.read("list", Names, HttpClientRequest.get("/connectors")).pipe(Effect.withSpan("Connector.names")),
        config,
        status,
        pause: Effect.fn("Connector.pause")((name) =>
          command("pause", name, HttpClientRequest.put(path(name, "/pause")))
        ),
        stop: Effect.fn("Connector.stop")((name) => command("stop", name, HttpClientRequest.put(path(name, "/stop")))),
        resume: Effect.fn("Connector.resume")((name) =>
          command("resume", name, HttpClientRequest.put(path(name, "/resume")))
        ),
        restart: Effect.fn("Connector.restart")((name, { onlyFailed = false } = {}) =>
          command(
            "restart",
            name,
            HttpClientRequest.post(path(name, `/restart?includeTasks=true&onlyFailed=${onlyFailed}`))
          )
        ),
        restartTask: Effect.fn("Connector.restartTask")((name, task) =>
          command("restart", name, HttpClientRequest.post(path(name, `/tasks/${task}/restart`)), task)
        ),
        remove: Effect.fn("Connector.remove")((name) => command("delete", name, HttpClientRequest.delete(path(name))))
      })
    })
  ).pipe(Layer.provide(FetchHttpClient.layer))

export const layer = Layer.unwrap(Effect.map(connectUrl, at))
