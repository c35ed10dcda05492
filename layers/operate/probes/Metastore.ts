/** The Hive Metastore over Thrift, with one connection for each request. */
import { Effect, Layer, Schema } from "effect"
import { type HiveLock, Metastore, MetastoreUnavailable } from "../../../services/Metastore.ts"
import { metastoreUri } from "../../../services/Settings.ts"
import { type Address, addressOf, exchange, formatAddress } from "../../runtime/tcpExchange.ts"
import * as Thrift from "./thrift.ts"

const states = ["", "ACQUIRED", "WAITING", "ABORT", "NOT_ACQUIRED"]

const Version = Schema.Struct({ 0: Schema.String })

/** By the fields of ShowLocksResponseElement in hive_metastore.thrift. */
const Locks = Schema.Struct({
  0: Schema.Struct({
    1: Schema.Array(
      Schema.Struct({
        1: Schema.Int,
        2: Schema.String,
        3: Schema.optionalKey(Schema.String),
        5: Schema.Int,
        8: Schema.Int,
        9: Schema.optionalKey(Schema.Int),
        10: Schema.String,
        11: Schema.String
      })
    )
  })
})

/** The message of an exception that a method declares. */
const Thrown = Schema.Struct({ 1: Schema.Struct({ 1: Schema.String }) })

/** An event that never happened has the time 0 or none. */
const timeOf = (millis: number | undefined) => (millis === undefined || millis === 0 ? null : millis)

const at = (address: Address) => {
  const elsewhere = "set FLOE_METASTORE_URI to its address"
  const call = Effect.fnUntraced(function* <A>(
    operation: string,
    request: Uint8Array,
    schema: Schema.Codec<A, unknown>
  ) {
    const unavailable = (reason: string, cause: unknown) => new MetastoreUnavailable({ operation, reason, cause })
    const answer = yield* exchange(address, request, Thrift.answerOf).pipe(
      Effect.mapError((error) =>
        unavailable(
          error.foreign
            ? `${error.reason}; ${elsewhere}`
            : `${error.reason}; start it or look at its log, or ${elsewhere}`,
          error
        )
      )
    )
    if (answer._tag === "Exception") {
      return yield* unavailable(
        `it rejects the call (${answer.message}); Floe needs a Hive 3 metastore`,
        answer.message
      )
    }
    if (Schema.is(Thrown)(answer.fields)) {
      return yield* unavailable(`it fails (${answer.fields[1][1]}); look at its log`, answer.fields[1][1])
    }
    return yield* Schema.decodeUnknownEffect(schema)(answer.fields).pipe(
      Effect.mapError((cause) =>
        unavailable(`what answers at ${formatAddress(address)} is not a Hive 3 metastore; ${elsewhere}`, cause)
      )
    )
  })

  const version = call("getVersion", Thrift.call("getVersion"), Version).pipe(
    Effect.map(({ 0: version }) => version),
    Effect.withSpan("Metastore.version")
  )

  const locks = call("show_locks", Thrift.call("show_locks", 1), Locks).pipe(
    Effect.map(({ 0: { 1: locks } }) =>
      locks.map(
        (lock): HiveLock => ({
          id: lock[1],
          schema: lock[2],
          table: lock[3] ?? null,
          state: states[lock[5]] ?? String(lock[5]),
          heartbeatAt: timeOf(lock[8]),
          acquiredAt: timeOf(lock[9]),
          user: lock[10],
          host: lock[11]
        })
      )
    ),
    Effect.withSpan("Metastore.locks")
  )

  return Layer.succeed(Metastore, Metastore.of({ version, locks }))
}

export const layer = Layer.unwrap(Effect.map(metastoreUri, ({ host }) => at(addressOf(host, 9083))))
