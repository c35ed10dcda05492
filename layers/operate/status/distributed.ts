import { Effect, Layer, Schema, Stream } from "effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { Components } from "../../../services/Components.ts"
import { Connector, sinkConnector } from "../../../services/Connector.ts"
import { Metastore } from "../../../services/Metastore.ts"
import * as Settings from "../../../services/Settings.ts"
import { Storage } from "../../../services/Storage.ts"
import { addressOf, health } from "../../ingest/health.ts"
import { Admin } from "../../log/kafka/Admin.ts"
import { describeBrokers } from "../../log/kafka/brokers.ts"
import { plural } from "../../runtime/plural.ts"
import * as TcpExchange from "../../runtime/tcpExchange.ts"
import * as Rest from "../../sink/connect/rest.ts"
import { info } from "../../table/trino/info.ts"
import * as PostgreSQL from "../probes/postgresql.ts"
import { type Probed, probeComponent } from "../probes/probeComponent.ts"
import * as ZooKeeper from "../probes/zookeeper.ts"
import { healthCheck } from "../storage/healthCheck.ts"
import { ofConnector } from "./connectorState.ts"

class ProbeFailed extends Schema.TaggedError<ProbeFailed>()("ProbeFailed", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

const reasonIn = (error: Error) => {
  const reason = "reason" in error ? error.reason : undefined
  return reason instanceof Error ? reason.message : reason
}

/** The component's name stands beside it, so the reason alone is enough. */
const because = Effect.mapError((error: Error) => {
  const reason = reasonIn(error)
  return typeof reason === "string" ? new ProbeFailed({ reason }) : error
})

const up = (version: string | null, detail: string): Probed => ({ state: "up", version, detail })

const Connect = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))

/** A component that is only probed over TCP; it can be set to `none`. */
const byTcp = <E extends Error>(
  name: string,
  place: string,
  variable: string,
  versionOf: (address: TcpExchange.Address) => Effect.Effect<string | null, E>
) => {
  if (place.toLowerCase() === "none") return []
  const address = TcpExchange.addressOf(place)
  const probe = versionOf(address).pipe(
    because,
    Effect.map((version) => up(version, place)),
    Effect.mapError((error) => {
      const { message } = error
      if (error instanceof PostgreSQL.PasswordRejected) return new ProbeFailed({ reason: message })
      const elsewhere = `or set ${variable} to its address, or to none`
      return new ProbeFailed({
        reason: message.startsWith("nothing")
          ? `${message}; start it, ${elsewhere}`
          : `${message}; look at its log, ${elsewhere}`
      })
    })
  )
  return [probeComponent(name, probe)]
}

export const layer = Layer.effect(
  Components,
  Effect.gen(function* () {
    // Loading it takes half a second of processor time, which must not count as the components'.
    yield* Effect.promise(() => import("@platformatic/kafka"))
    const admin = yield* Admin
    const connector = yield* Connector
    const metastore = yield* Metastore
    const storage = yield* Storage
    const client = yield* HttpClient.HttpClient
    const target = yield* Settings.targetOrDefault
    const { endpoint } = yield* Settings.s3
    const connectUrl = addressOf(yield* Settings.connectUrl)
    const trinoUrl = addressOf(yield* Settings.trinoUrl)
    const login = {
      user: yield* Settings.postgresUser,
      password: yield* Settings.postgresPassword,
      database: "hive"
    }
    const metastorePlace = TcpExchange.formatAddress(TcpExchange.addressOf((yield* Settings.metastoreUri).host, 9083))
    const connect = yield* Rest.make(connectUrl)
    const http = Effect.provideService(HttpClient.HttpClient, client)

    const server = Effect.map(because(http(health(target))), ({ version, notReady }): Probed => {
      if (notReady !== null) return { state: "down", version, detail: `accepts no events: ${notReady}` }
      return up(version, addressOf(target))
    })
    const kafka = Effect.map(because(Effect.provideService(describeBrokers(), Admin, admin)), ({ count, version }) =>
      up(version, `${admin.brokers}, ${plural(count, "broker")}`)
    )
    const workers = connect.read("version", Connect, HttpClientRequest.get("/")).pipe(
      because,
      Effect.map(({ version }) => up(version, connectUrl))
    )
    const sink = Effect.map(because(connector.status(sinkConnector)), ofConnector)
    const hive = Effect.map(because(metastore.version), (version) => up(`interface ${version}`, metastorePlace))
    const minio = Effect.gen(function* () {
      const version = yield* http(healthCheck(endpoint, storage.warehouse))
      yield* Stream.runHead(storage.list(""))
      return up(version, `${storage.warehouse} at ${endpoint.host}`)
    }).pipe(because)
    const trino = Effect.map(
      because(http(info(trinoUrl))),
      ({ starting, version }): Probed => ({
        ...up(version, trinoUrl),
        state: starting ? "starting" : "up"
      })
    )

    const probe = Effect.all(
      [
        // Those that others need come first.
        ...byTcp("zookeeper", yield* Settings.zookeeper, "FLOE_ZOOKEEPER", ZooKeeper.version),
        probeComponent("kafka", kafka),
        probeComponent("server", server),
        probeComponent("connect", workers),
        probeComponent("connector", sink),
        probeComponent("metastore", hive),
        ...byTcp("postgres", yield* Settings.postgres, "FLOE_POSTGRES", (address) =>
          Effect.as(PostgreSQL.answers(address, login), null)
        ),
        probeComponent("minio", minio),
        probeComponent("trino", trino)
      ],
      { concurrency: "unbounded" }
    ).pipe(Effect.withSpan("Components.probe"))
    return Components.of({ probe })
  })
).pipe(Layer.provide([Admin.layer, FetchHttpClient.layer]))
