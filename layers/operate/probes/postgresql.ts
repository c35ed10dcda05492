/** Whether PostgreSQL answers, and accepts the metastore's user. */
import { Effect, Redacted, Schema } from "effect"
import postgres from "postgres"
import { type Address, formatAddress, NoAnswer } from "../../runtime/tcpExchange.ts"
import { transportReason } from "../../runtime/transportReason.ts"

const timeLimit = "3 seconds"

export const passwordRejected = "it rejects the password of the user"

export class PasswordRejected extends Schema.TaggedError<PasswordRejected>()("PasswordRejected", {
  user: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `${passwordRejected} ${this.user}, which the metastore needs`
  }
}

export interface Login {
  readonly user: string
  readonly password: Redacted.Redacted
  readonly database: string
}

/** SQLSTATEs of a wrong password, and of a user that does not exist or may not connect from here. */
const rejections = new Set(["28P01", "28000"])

/** Any other error that PostgreSQL reports (too many connections, for example) proves that it is up. */
export const answers = Effect.fn("PostgreSQL.answers")(function* (
  address: Address,
  { user, password, database }: Login
): Effect.fn.Return<void, NoAnswer | PasswordRejected> {
  const place = formatAddress(address)
  const options = { ...address, user, password: Redacted.value(password), database, max: 1, onnotice: () => {} }
  // The client reconnects endlessly to a port that closes its connections, so the time limit is here.
  const foreign = new NoAnswer({
    reason: `${place} did not answer as a PostgreSQL server within ${timeLimit}`,
    foreign: true,
    cause: "time-out"
  })
  yield* Effect.acquireUseRelease(
    Effect.sync(() => postgres(options)),
    (sql) => Effect.asVoid(Effect.tryPromise({ try: () => sql`SELECT 1`, catch: (cause) => cause })),
    (sql) => Effect.promise(() => sql.end({ timeout: 0 }))
  ).pipe(
    Effect.catch((cause): Effect.Effect<void, NoAnswer | PasswordRejected> => {
      if (!(cause instanceof postgres.PostgresError)) {
        const reason = `nothing answers at ${place} (${transportReason(cause)})`
        return Effect.fail(new NoAnswer({ reason, foreign: false, cause }))
      }
      return rejections.has(cause.code) ? Effect.fail(new PasswordRejected({ user, cause })) : Effect.void
    }),
    Effect.timeoutOrElse({ duration: timeLimit, orElse: () => Effect.fail(foreign) })
  )
})
