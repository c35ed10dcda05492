/** The programs of the embedded profile and `floe`, run in this process. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, ConfigProvider, Console, Effect, Exit, Layer, Sink, Stdio } from "effect"
import { Command } from "effect/cli"
import { floe } from "../../layers/cli/commands/floe.ts"
import { HttpServer } from "../../layers/ingest/http/HttpServer.ts"
import * as Profile from "../../layers/profile/Profile.ts"
import { sentenceOf } from "../../layers/runtime/Shutdown.ts"

type Environment = Record<string, string>

const configured = (env: Environment) => ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

/** Server and sink until the scope closes, as in `npm start`. */
export const programs = (env: Environment) =>
  Layer.build(
    Profile.layer("serverAddress").pipe(
      Layer.provideMerge(HttpServer.layer),
      Layer.provideMerge(Profile.layer("sink")),
      Layer.provide(Profile.layer("log")),
      Layer.provide(configured(env)),
      Layer.fresh
    )
  )

const silent = Console.Console.of({ ...globalThis.console, log: () => {}, error: () => {}, warn: () => {} })

/** Runs `floe` to its end, and returns what it prints. */
export const inProcess = Effect.fnUntraced(function* (args: ReadonlyArray<string>, env: Environment) {
  let out = ""
  const decoder = new TextDecoder()
  const stdout = () =>
    Sink.forEachArray((chunks: ReadonlyArray<string | Uint8Array>) =>
      Effect.sync(() => {
        for (const chunk of chunks) out += typeof chunk === "string" ? chunk : decoder.decode(chunk)
      })
    )
  const layer = Layer.mergeAll(NodeServices.layer, configured(env)).pipe(
    Layer.merge(Stdio.layerTest({ args: Effect.succeed(args), stdout }))
  )
  const exit = yield* Command.runWith(floe, { version: "0.0.0" })(args).pipe(
    Effect.provide(layer),
    Effect.provideService(Console.Console, silent),
    Effect.exit
  )
  const err = Exit.isSuccess(exit) ? "" : sentenceOf(Cause.squash(exit.cause))
  return { code: Exit.isSuccess(exit) ? 0 : 1, out, err }
})
