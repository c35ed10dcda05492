/** Whether PostgreSQL answers, and lets the metastore's user in. */
import { Effect, Predicate, Redacted, Schema } from "effect"
import postgres from "postgres"
import type { Address } from "../../runtime/tcpExchange.ts"
import { exchange, type NoAnswer } from "../../runtime/tcpExchange.ts"

export class PasswordRefused extends Schema.TaggedError<PasswordRefused>()("PasswordRefused", {
  user: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `it refuses the password of the user ${this.user}, which the metastore needs`
  }
}

export interface Login {
  readonly user: string
  readonly password: Redacted.Redacted
  readonly database: string
}

/** SSLRequest of its protocol: a length of 8, and the number that stands for it. */
const question = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

/** By one byte it says whether it speaks TLS. */
export const speaks = (address: Address) =>
  exchange(address, question, (bytes) => {
    const said = bytes.toString("latin1")
    if (said === "S" || said === "N") return true
    throw new Error("it is not PostgreSQL's")
  })

/** Of a password that is wrong, and of a user that is not there or may not come from here. */
const refusals = new Set(["28P01", "28000"])

/** Anything but a refusal, such as too many connections, is not for this to find. */
export const answers = Effect.fn("PostgreSQL.answers")(function* (
  address: Address,
  { user, password, database }: Login
): Effect.fn.Return<void, NoAnswer | PasswordRefused> {
  yield* speaks(address)
  const options = { ...address, user, password: Redacted.value(password), database, max: 1, connect_timeout: 3 }
  yield* Effect.acquireUseRelease(
    Effect.sync(() => postgres({ ...options, onnotice: () => {} })),
    (sql) => Effect.tryPromise({ try: () => sql`SELECT 1`, catch: (cause) => cause }),
    (sql) => Effect.promise(() => sql.end({ timeout: 1 }))
  ).pipe(
    Effect.catch((cause) =>
      Predicate.hasProperty(cause, "code") && refusals.has(String(cause.code))
        ? Effect.fail(new PasswordRefused({ user, cause }))
        : Effect.void
    )
  )
})
