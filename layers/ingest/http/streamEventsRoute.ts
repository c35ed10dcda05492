/** `POST /streams/{name}/events`: logs up to 10,000 events of a stream, all or none; or, on request, those that fit. */
import { hash } from "node:crypto"
import { Clock, Effect, Result } from "effect"
import type { StreamEventsLogged } from "../../../services/Api.ts"
import { plural } from "../../runtime/plural.ts"
import type { RejectedEvent, Unreadable } from "../checker/Checker.ts"
import type * as Body from "./body.ts"
import { errorResponse, invalid, maxErrors, noHour } from "./ErrorResponse.ts"
import { joined, unknownParameter } from "./eventsRoute.ts"
import type { Fibers } from "./Fibers.ts"
import type { OpenStreams } from "./OpenStreams.ts"
import type { RequestContext, RequestContexts } from "./RequestContext.ts"
import type { Responses } from "./Responses.ts"
import * as RequestBody from "./requestBody.ts"

const deadLetter = "invalid=dead-letter"
const otherMode = invalid([{ field: "invalid", message: "must be dead-letter" }])

const unreadable = ({ _tag, field, message }: Unreadable) =>
  _tag === "TooLarge"
    ? errorResponse(413, `The request is too large: ${field} ${message}. Nothing was logged.`, [{ field, message }])
    : invalid([{ field, message }])

const timeOf = (millis: number) => new Date(millis).toISOString().replace("Z", "000Z")

/** Covers the stream, what happens to invalid events, and the events without what the server sets, so that formatting does not matter. */
const digestOf = (
  stream: string,
  query: string,
  records: ReadonlyArray<string>,
  rejected: ReadonlyArray<RejectedEvent>
) => {
  const others = rejected.map(({ index, value }) => JSON.stringify([index, value]))
  return hash("sha256", [JSON.stringify(["POST", stream, query]), ...records, ...others].join("\n"), "base64url")
}

const messageOf = (logged: number, rejected: number) =>
  `${plural(logged, "event")} logged${rejected === 0 ? "" : `, ${plural(rejected, "event")} kept as ${rejected === 1 ? "a dead letter" : "dead letters"}`}`

export const make = (
  contexts: RequestContexts,
  responses: Responses,
  fibers: Fibers,
  bodies: Body.Bodies,
  streams: OpenStreams
) => {
  const read = RequestBody.make(bodies)

  const logged = Effect.fn("HttpServer.streamEvents")(function* (
    context: RequestContext,
    query: string,
    name: string,
    held: Body.Held
  ) {
    if (query !== "" && query !== deadLetter) {
      return yield* Effect.fail(query.startsWith("invalid=") ? otherMode : unknownParameter(query))
    }
    const keeps = query === deadLetter
    const { format, text } = yield* read(context, held)
    yield* streams.fresh
    const stream = streams.get(name)
    if (stream === undefined) return yield* Effect.fail(streams.missing(name))
    const { writer } = stream.applied.definition
    if (writer !== undefined) {
      return yield* Effect.fail(
        errorResponse(405, `The processor ${writer} writes the stream ${name}, so clients cannot.`, [], { Allow: "" })
      )
    }
    if (responses.hour() === undefined) return yield* Effect.fail(noHour)
    const { checker, applied, earlier } = stream
    const checked = (accepted: string | undefined) =>
      Result.mapError(checker[format](text, { accepted, all: keeps }), unreadable)
    const accepted = timeOf((yield* Clock.Clock).currentTimeMillisUnsafe())
    const { records, rejected } = yield* Effect.fromResult(checked(accepted))
    if (rejected.length > 0 && !keeps) {
      return yield* Effect.fail(invalid(rejected.flatMap(({ errors }) => errors).slice(0, maxErrors)))
    }
    let answered = { count: records.length, rejected }
    /** The iteration ends with the one that the first request had: its answer is repeated. */
    const earlierDigests = function* () {
      for (const checker of earlier()) {
        const before = Result.getOrUndefined(checker[format](text, { accepted: undefined, all: keeps }))
        if (before === undefined || (before.rejected.length > 0 && !keeps)) continue
        answered = { count: before.records.length, rejected: before.rejected }
        yield digestOf(name, query, before.records, before.rejected)
      }
    }
    const { key } = context.headers
    const sent = () =>
      checker.setsColumns ? Result.map(checked(undefined), (all) => all.records) : Result.succeed(records)
    const idempotency =
      key === undefined
        ? undefined
        : {
            key,
            digest: digestOf(name, query, yield* Effect.fromResult(sent()), rejected),
            earlier: { [Symbol.iterator]: earlierDigests }
          }
    const appended = yield* responses.append({
      stream: name,
      schemaVersion: applied.version,
      records,
      rejected: rejected.length === 0 ? undefined : rejected,
      idempotency
    })
    return { ...appended, count: answered.count, rejected: keeps ? answered.rejected : undefined }
  })

  return (context: RequestContext, query: string, name: string) =>
    fibers.serve(
      context,
      bodies
        .holding((held) => logged(context, query, name, held))
        .pipe(
          Effect.matchCause({
            onFailure: (cause) => responses.failed(context, cause),
            onSuccess: ({ count, positions, rejected, repeated }) => {
              const kept = rejected?.map(({ index, reason }) => ({ index, reason }))
              const body: typeof StreamEventsLogged.Type = {
                status: "success",
                message: messageOf(count, kept?.length ?? 0),
                data: { count, positions: joined(positions), ...(kept === undefined ? {} : { rejected: kept }) }
              }
              contexts.respond(context, 200, responses.headersOf(repeated), JSON.stringify(body))
            }
          })
        )
    )
}
