/** A server in a process of its own: tells its port, and on any message the most memory that it ever held, in KiB. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import * as Server from "../../../layers/ingest/http/Server.ts"
import * as Memory from "../../../layers/log/memory/EventLog.ts"
import { HttpAddress } from "../../../services/HttpAddress.ts"

const announced = Layer.effectDiscard(
  Effect.map(HttpAddress, ({ port }) => {
    process.on("message", () => process.send?.({ peak: process.resourceUsage().maxRSS }))
    process.send?.({ port })
  })
).pipe(Layer.provide(Server.at("127.0.0.1", 0)), Layer.provide(Memory.layer))

NodeRuntime.runMain(Layer.launch(announced))
