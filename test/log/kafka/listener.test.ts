import { assert, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { because, KafkaFailure, reasons } from "../../../layers/log/kafka/failures.ts"
import { explained } from "../../../layers/log/kafka/listener.ts"
import { listening } from "../../support/tcpService.ts"

const ssl = {
  protocol: "ssl",
  mechanism: "PLAIN",
  user: Option.none(),
  password: Option.none(),
  authority: Option.none(),
  certificate: Option.none(),
  key: Option.none()
} as const

it.live("only a closed connection is explained by what listens at the address", () =>
  Effect.gen(function* () {
    const { place } = yield* listening((_, socket) => void socket.write(Buffer.from([0, 0, 0, 1])))
    const explain = explained(place, ssl)
    const closed = new KafkaFailure({ reason: reasons.closed(), code: -195, cause: "closed" })
    const found = yield* explain(closed)
    assert.strictEqual(
      found.message,
      "Kafka cannot be used: the broker does not use TLS; set FLOE_KAFKA_SECURITY to plaintext."
    )
    assert.deepStrictEqual([found.code, found.cause], [-195, closed])
    const sameWords = new KafkaFailure({ reason: because(closed.reason.message), cause: "other" })
    assert.strictEqual(yield* explain(sameWords), sameWords)
  }).pipe(Effect.scoped)
)
