/** A server with the log of the folder that is named, in a process of its own: reports its port, and on any message the most memory that it ever held, in KiB. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer } from "effect"
import { HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import * as MemoryStreams from "../../../layers/log/memory/Streams.ts"
import * as EventLogLayer from "../../../layers/log/sqlite/EventLog.ts"
import * as DataFolder from "../../../layers/runtime/DataFolder.ts"
import type { StreamDefinition } from "../../../services/StreamDefinition.ts"
import { Streams } from "../../../services/Streams.ts"

/** Here, as the generators of test/support would count as the server's memory. */
const definitions: ReadonlyArray<StreamDefinition> = [
  {
    name: "every_type",
    columns: [
      { name: "id", type: "long", required: true },
      { name: "s", type: "string", required: false },
      { name: "free", type: "json", required: false },
      { name: "longs", type: "list", element: { type: "long" }, nullable: true, required: false },
      { name: "map", type: "map", value: { type: "long" }, nullable: true, required: false }
    ],
    key: "id",
    partitionBy: []
  },
  {
    name: "wide",
    columns: Array.from({ length: 1_000 }, (_, i) => ({ name: `c${i}`, type: "long", required: false })),
    key: null,
    partitionBy: []
  }
]
const streams = Layer.effectDiscard(
  Effect.flatMap(Streams, ({ record }) =>
    Effect.forEach(definitions, (definition) => record({ definition, version: 1, ids: {}, lastId: 0, appliedAt: 0 }))
  )
).pipe(Layer.provideMerge(MemoryStreams.layer))

const log = EventLogLayer.layer.pipe(Layer.provide(DataFolder.at(process.argv[2] ?? "")))

const announced = Layer.effectDiscard(
  Effect.map(HttpServer, ({ port }) => {
    process.on("message", () => process.send?.({ peak: process.resourceUsage().maxRSS }))
    process.send?.({ port })
  })
).pipe(Layer.provide(HttpServer.at("127.0.0.1", 0).pipe(Layer.provide(streams))), Layer.provide(log))

NodeRuntime.runMain(Layer.launch(announced))
