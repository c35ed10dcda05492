/** What Streams must do over every log; each name is used once, as Kafka's tests share a broker. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import type { AppliedStream } from "../../services/StreamDefinition.ts"
import { Streams } from "../../services/Streams.ts"
import { weatherStream } from "../../services/Weather.ts"

export const definition = (name: string, version = 1): AppliedStream => ({
  definition: {
    name,
    doc: "Ärger 🌧️",
    columns: [
      { name: "celsius", type: "double", required: true },
      { name: "tags", type: "list", element: { type: "string" }, nullable: true, required: false }
    ],
    key: null,
    partitionBy: []
  },
  version,
  ids: { celsius: 1, tags: 2, "tags.element": 3 },
  lastId: 3,
  appliedAt: 1_700_000_000_000
})

const versionsOf = (streams: ReadonlyArray<AppliedStream>) =>
  streams.map(({ definition, version }) => [definition.name, version])

export const streamsContract = <E>(name: string, streams: Layer.Layer<Streams, E>) =>
  layer(streams)(name, (it) => {
    it.effect("are weather alone where nothing was applied", () =>
      Effect.gen(function* () {
        const { all, find, history } = yield* Streams
        assert.deepStrictEqual(yield* all, [weatherStream])
        assert.deepStrictEqual(yield* find("weather"), weatherStream)
        assert.deepStrictEqual(yield* history("weather"), [weatherStream])
        assert.deepStrictEqual(yield* history("readings"), [])
        const missing = yield* Effect.flip(find("readings"))
        assert.strictEqual(missing.message, "There is no stream readings; floe streams list names them all.")
      })
    )

    it.effect("are recorded version by version, and read by name", () =>
      Effect.gen(function* () {
        const { all, begin, find, history, record } = yield* Streams
        yield* begin(definition("readings"))
        yield* record(definition("readings"))
        assert.deepStrictEqual(versionsOf(yield* all), [
          ["weather", 1],
          ["readings", 1]
        ])
        yield* record(definition("clicks"))
        yield* record(definition("readings", 2))
        assert.deepStrictEqual(versionsOf(yield* all), [
          ["weather", 1],
          ["clicks", 1],
          ["readings", 2]
        ])
        assert.deepStrictEqual(yield* history("readings"), [definition("readings"), definition("readings", 2)])
        assert.deepStrictEqual(yield* find("readings"), definition("readings", 2))
        const missing = yield* Effect.flip(find("reading"))
        assert.strictEqual(missing.message, "There is no stream reading; did you mean readings?")
      })
    )

    it.effect("take no version but the next one", () =>
      Effect.gen(function* () {
        const { history, record } = yield* Streams
        yield* record(definition("orders"))
        for (const version of [1, 3]) {
          const error = yield* Effect.flip(record(definition("orders", version)))
          assert.include(
            error.message,
            `version ${version} of the stream orders cannot follow version 1: another program has changed it; try again`
          )
        }
        assert.deepStrictEqual(yield* history("orders"), [definition("orders")])
      })
    )
  })
