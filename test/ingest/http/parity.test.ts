import { layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import * as EventLogLayer from "../../../layers/log/sqlite/EventLog.ts"
import * as StreamsLayer from "../../../layers/log/sqlite/Streams.ts"
import { Streams } from "../../../services/Streams.ts"
import { temporary } from "../../support/dataFolder.ts"
import { assertParity, parityStream } from "../../support/parity.ts"

const server = HttpServer.at("127.0.0.1", 0).pipe(
  Layer.provideMerge(Layer.effectDiscard(Effect.flatMap(Streams, ({ record }) => record(parityStream("parity"))))),
  Layer.provideMerge(StreamsLayer.layer),
  Layer.provideMerge(EventLogLayer.layer),
  Layer.provideMerge(temporary)
)

layer(server)("The door of the embedded profile", (it) => {
  it.effect("takes the values of the list that are marked so, in canonical form, and no other", () =>
    assertParity("parity")
  )
})
