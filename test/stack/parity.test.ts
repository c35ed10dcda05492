import { describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpServer } from "../../layers/ingest/http/HttpServer.ts"
import { assertParity, parityStream } from "../support/parity.ts"
import { logOn, streamsOf, temporaryStream } from "./kafkaTopic.ts"

describe("The door of the distributed profile", () => {
  it.live("takes the values of the list that are marked so, in canonical form, and no other", () =>
    Effect.gen(function* () {
      const { stream, topic } = yield* temporaryStream()
      const streams = streamsOf(parityStream(stream))
      const server = HttpServer.at("127.0.0.1", 0).pipe(
        Layer.provideMerge(logOn(topic, {}, streams)),
        Layer.provide(streams)
      )
      yield* assertParity(stream).pipe(Effect.provide(server))
    })
  )
})
