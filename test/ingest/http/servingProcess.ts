/** A server in a process of its own: reports its port, and on any message the most memory that it ever held, in KiB. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import { HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import * as Memory from "../../../layers/log/memory/EventLog.ts"
import * as MemoryStreams from "../../../layers/log/memory/Streams.ts"
import type { StreamDefinition } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"

/** Here, as the generators of test/support would count as the server's memory. */
const definition: StreamDefinition = {
  name: "every_type",
  columns: [
    { name: "id", type: "long", required: true },
    { name: "s", type: "string", required: false },
    { name: "free", type: "json", required: false }
  ],
  key: "id",
  partitionBy: []
}
const applied = { definition, version: 1, ids: {}, lastId: 0, appliedAt: 0 }
const streams = Layer.effectDiscard(Effect.flatMap(Streams, ({ record }) => record(applied))).pipe(
  Layer.provideMerge(MemoryStreams.layer)
)

const announced = Layer.effectDiscard(
  Effect.map(HttpServer, ({ port }) => {
    process.on("message", () => process.send?.({ peak: process.resourceUsage().maxRSS }))
    process.send?.({ port })
  })
).pipe(Layer.provide(HttpServer.at("127.0.0.1", 0).pipe(Layer.provide(streams))), Layer.provide(Memory.layer))

NodeRuntime.runMain(Layer.launch(announced))
