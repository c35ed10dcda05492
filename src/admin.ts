/** `floe`: the command line. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import * as Floe from "../layers/cli/commands/floe.ts"
import * as Output from "../layers/cli/terminal/Output.ts"
import packageJson from "../package.json" with { type: "json" }

Floe.run(packageJson.version).pipe(
  Effect.tapCause(Output.reportFailure),
  Effect.provide(Output.layer.pipe(Layer.provideMerge(NodeServices.layer))),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown: Output.teardown })
)
