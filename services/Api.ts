/**
 * The HTTP API: the source of the OpenAPI document.
 * Owns: paths, methods, parameters, answers, the shape of errors. Does not own: how they are served.
 */
import { Schema } from "effect"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { PositionRun } from "./EventLog.ts"
import { Hour, WeatherReading, WeatherReadingJson, WeatherRecord } from "./Weather.ts"

/** At most so many records in one `POST /events`. */
export const maxRecords = 10_000
/** At most so many bytes in its body, both as sent and inflated: 5 MiB. */
export const maxBodyBytes = 5 * 1024 * 1024

export const jsonTypes = ["application/json"]
export const ndjsonTypes = ["application/x-ndjson", "application/ndjson", "application/jsonl"]

/** Answer of every request that was refused or failed. */
export const Refused = Schema.Struct({
  status: Schema.Literal("error"),
  message: Schema.String.annotate({ description: "A sentence for a person" }),
  errors: Schema.Array(
    Schema.Struct({
      field: Schema.String.annotate({
        description: "What is wrong: a field, a parameter, a header, or [index].field of a record"
      }),
      message: Schema.String
    })
  )
}).annotate({ identifier: "Refused" })

const Logged = Schema.Struct({
  status: Schema.Literal("success"),
  message: Schema.String,
  data: WeatherRecord
}).annotate({ identifier: "Logged" })

export const EventsLogged = Schema.Struct({
  status: Schema.Literal("success"),
  message: Schema.String,
  data: Schema.Struct({
    count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxRecords })),
    ts: Hour,
    positions: Schema.Array(PositionRun).annotate({ description: "Where the records are, in their order" })
  })
}).annotate({ identifier: "EventsLogged" })

export const Health = Schema.Struct({ status: Schema.Literal("healthy") })
export const Readiness = Schema.Struct({ status: Schema.Literal("ready") })

/** Tells a client which log it would write to. */
export const logHeader = "floe-log"
const LogHeaders = {
  [logHeader]: Schema.optionalKey(
    Schema.String.annotate({ description: "Id of the log, where it has one for good: in the embedded profile" })
  )
}

const IdempotencyKey = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,255}$/u)).annotate({
  description: "1–255 visible ASCII characters; a repeat with the same key logs nothing twice. Kept for 24 hours."
})

const Repeated = Schema.optionalKey(
  Schema.Literal("true").annotate({ description: "The key had been used: this request logged nothing" })
)
const Position = Schema.String.annotate({
  description: "<topic>/<partition>/<offset> of the event",
  examples: ["weather/0/42"]
})
const RetryAfter = Schema.String.annotate({ description: "Seconds to wait before trying again" })

const refused = (status: number, identifier: string, description: string) =>
  Refused.annotate({ identifier, description }).pipe(HttpApiSchema.status(status))
const refusedForNow = (status: number, identifier: string, description: string) =>
  HttpApiSchema.WithHeaders(Refused.annotate({ identifier, description }), { "retry-after": RetryAfter }).pipe(
    HttpApiSchema.status(status)
  )

const invalid = refused(
  400,
  "Invalid",
  "A parameter, header or record is wrong, missing or unknown; nothing was logged"
)
const foreign = refused(
  403,
  "Foreign",
  "A cross-site browser request, or a foreign Host while bound to a loopback address"
)
const notFound = refused(404, "NotFound", "Another path than those of this document")
const wrongMethod = HttpApiSchema.WithHeaders(
  Refused.annotate({ identifier: "WrongMethod", description: "Another method than those of this document" }),
  { allow: Schema.String.annotate({ description: "The methods that the path has" }) }
).pipe(HttpApiSchema.status(405))
const late = refused(408, "Late", "The headers or the body did not come in time")
const inFlight = refusedForNow(409, "InFlight", "A request with the same Idempotency-Key is in flight")
const tooLarge = refused(413, "TooLarge", "More than 10,000 records, or more than 5 MiB as sent or inflated")
const unsupported = refused(
  415,
  "Unsupported",
  "A content type other than JSON and NDJSON, or an encoding other than gzip"
)
const expectation = refused(417, "Expectation", "An Expect header other than 100-continue; the connection is closed")
const reused = refused(422, "Reused", "The Idempotency-Key was used for a different request")
const wideHeaders = refused(431, "WideHeaders", "More than 1,000 headers, or 16 KiB of them with the path and query")
const failed = refused(500, "Failed", "A fault of the server; whether anything was logged is not known")
const coding = refused(501, "Coding", "A Transfer-Encoding other than chunked; the connection is closed")
const unavailable = refusedForNow(503, "Unavailable", "Nothing was logged; the same request may be tried again")
const uncertain = refusedForNow(
  504,
  "Uncertain",
  "Not known what was logged, as the log did not answer in time; a repeat with the same Idempotency-Key doubles nothing"
)

const version = refused(505, "Version", "Another version of HTTP than 1.0 and 1.1")

/** What any request may get. */
const always = [
  invalid,
  foreign,
  notFound,
  wrongMethod,
  late,
  expectation,
  wideHeaders,
  failed,
  coding,
  version
] as const

class EventsGroup extends HttpApiGroup.make("events", { topLevel: true })
  .add(
    HttpApiEndpoint.get("log", "/log", {
      query: WeatherReading.fields,
      headers: { "idempotency-key": Schema.optionalKey(IdempotencyKey) },
      success: HttpApiSchema.WithHeaders(Logged.annotate({ description: "The event is durable" }), {
        "floe-position": Position,
        "floe-repeated": Repeated
      }),
      error: [...always, inFlight, reused, unavailable, uncertain]
    }).annotateMerge(OpenApi.annotations({ summary: "Log one reading" })),
    HttpApiEndpoint.post("events", "/events", {
      headers: { "idempotency-key": Schema.optionalKey(IdempotencyKey) },
      payload: [
        Schema.Union([
          Schema.Array(WeatherReadingJson).check(Schema.isMinLength(1), Schema.isMaxLength(maxRecords)),
          WeatherReadingJson
        ]),
        HttpApiSchema.StreamNdjson({ schema: WeatherReadingJson, contentType: ndjsonTypes, maxBytes: maxBodyBytes })
      ],
      success: HttpApiSchema.WithHeaders(EventsLogged.annotate({ description: "All the events are durable" }), {
        "floe-repeated": Repeated
      }),
      error: [...always, inFlight, tooLarge, unsupported, reused, unavailable, uncertain]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Log up to 10,000 readings, all or none",
        description: "A JSON array, one JSON object, or one JSON object per line; gzip is accepted."
      })
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "Events", description: "Taking weather events in" })) {}

class SystemGroup extends HttpApiGroup.make("system", { topLevel: true })
  .add(
    HttpApiEndpoint.get("health", "/health", {
      success: HttpApiSchema.WithHeaders(Health, LogHeaders),
      error: always
    }).annotateMerge(OpenApi.annotations({ summary: "Whether the process lives" })),
    HttpApiEndpoint.get("ready", "/ready", {
      success: HttpApiSchema.WithHeaders(Readiness, LogHeaders),
      error: [...always, unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Whether events can be logged now" }))
  )
  .annotateMerge(OpenApi.annotations({ title: "System", description: "The state of the server" })) {}

export class Api extends HttpApi.make("floe")
  .add(EventsGroup, SystemGroup)
  .annotateMerge(
    OpenApi.annotations({
      title: "Floe",
      version: "0.1.0",
      description: "Takes weather events over HTTP; an answer 200 means that they are durable.",
      // Made empty, it would let the page offer to log in.
      transform: ({ components: { securitySchemes: _, ...components }, ...rest }) => ({ ...rest, components })
    })
  ) {}
