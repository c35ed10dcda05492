/** What Kafka Connect has done for the streams beside weather. */
import { Effect, Layer } from "effect"
import { Connector, type ConnectorStatus, connectorOf } from "../../../services/Connector.ts"
import type { Query } from "../../../services/Query.ts"
import type { SinkCommits } from "../../../services/SinkCommits.ts"
import { type SinkFailure, StreamSinks } from "../../../services/StreamSinks.ts"
import { Streams } from "../../../services/Streams.ts"
import { TableReader, weather } from "../../../services/TableReader.ts"
import * as TableReaderLayer from "../../table/trino/TableReader.ts"
import { ofConnector } from "./connectorState.ts"

const concurrency = 8
/** Kafka Connect answers for all its connectors within milliseconds, or for none. */
const timeLimit = "4 seconds"

export const layer = Layer.effect(
  StreamSinks,
  Effect.gen(function* () {
    const services = yield* Effect.context<Query | SinkCommits>()
    const streams = yield* Streams
    const connector = yield* Connector

    const statuses = Effect.gen(function* () {
      const names = (yield* streams.all).map(({ definition: { name } }) => name).filter((name) => name !== weather)
      const all = yield* Effect.forEach(
        names,
        (stream) =>
          connector.status(connectorOf(stream)).pipe(
            Effect.map((status) => [stream, status] as const),
            Effect.catchTag("ConnectorMissing", () => Effect.succeed([stream, undefined] as const))
          ),
        { concurrency }
      )
      return new Map<string, ConnectorStatus | undefined>(all)
    }).pipe(
      Effect.timeout(timeLimit),
      // That Kafka Connect is down is reported as a component.
      Effect.orElseSucceed(() => new Map<string, ConnectorStatus | undefined>())
    )

    return StreamSinks.of({
      current: (stream) =>
        Effect.flatMap(TableReader, ({ current }) => current).pipe(
          Effect.provide(Layer.fresh(TableReaderLayer.at(stream))),
          Effect.provide(services)
        ),
      paused: Effect.map(statuses, (all) =>
        [...all].flatMap(([stream, status]) =>
          status !== undefined && ofConnector(status).state === "paused" ? [stream] : []
        )
      ),
      failures: Effect.map(
        statuses,
        (all) =>
          new Map(
            [...all].flatMap(([stream, status]): ReadonlyArray<readonly [string, SinkFailure]> => {
              const name = connectorOf(stream)
              if (status === undefined) {
                return [[stream, { reason: `There is no connector ${name}; floe streams apply registers it.` }]]
              }
              const { state, detail } = ofConnector(status)
              return state === "down" ? [[stream, { reason: `The connector ${name} has failed: ${detail}.` }]] : []
            })
          )
      )
    })
  })
)
