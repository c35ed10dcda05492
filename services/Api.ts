/**
 * The HTTP API, and the source of the OpenAPI document.
 * Owns: paths, methods, parameters, responses, the shape of errors. Does not own: how they are served.
 */
import { Schema } from "effect"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { PositionRun } from "./EventLog.ts"
import { StreamDefinition } from "./StreamDefinition.ts"
import { Hour, WeatherReading, WeatherReadingJson, WeatherRecord } from "./Weather.ts"

/** Most records in one `POST /events`. */
export const maxRecords = 10_000
/** Most bytes in its body, both as sent and inflated: 5 MiB. */
export const maxBodyBytes = 5 * 1024 * 1024

export const jsonTypes = ["application/json"]
export const ndjsonTypes = ["application/x-ndjson", "application/ndjson", "application/jsonl"]

/** The body of every response that is not a success. */
export const ErrorBody = Schema.Struct({
  status: Schema.Literal("error"),
  message: Schema.String.annotate({ description: "A sentence for a person" }),
  errors: Schema.Array(
    Schema.Struct({
      field: Schema.String.annotate({
        description: "The field, parameter or header that is wrong, or [index].field of a record"
      }),
      message: Schema.String
    })
  )
}).annotate({ identifier: "Error" })

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
    positions: Schema.Array(PositionRun).annotate({
      description: "Positions of the records, in the order of the records"
    })
  })
}).annotate({ identifier: "EventsLogged" })

const RejectedEvent = Schema.Struct({
  index: Schema.Int.annotate({ description: "Of the event in the request, from 0" }),
  reason: Schema.String
})

export const StreamEventsLogged = Schema.Struct({
  status: Schema.Literal("success"),
  message: Schema.String,
  data: Schema.Struct({
    count: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maxRecords })),
    positions: Schema.Array(PositionRun).annotate({
      description: "Positions of the logged events, in the order of the events"
    }),
    rejected: Schema.optionalKey(Schema.Array(RejectedEvent)).annotate({
      description: "With invalid=dead-letter: the events that were kept as dead letters instead"
    })
  })
}).annotate({ identifier: "StreamEventsLogged" })

export const StreamDescription = Schema.Struct({
  ...StreamDefinition.fields,
  version: Schema.Int.annotate({ description: "1 for the first definition; each change adds 1" }),
  events: Schema.optionalKey(
    Schema.Int.annotate({
      description: "How many events the log has; absent where the log is on Kafka, which does not count them"
    })
  )
}).annotate({ identifier: "Stream" })

export const StreamFound = Schema.Struct({
  status: Schema.Literal("success"),
  message: Schema.String,
  data: StreamDescription
}).annotate({ identifier: "StreamFound" })

export const StreamsFound = Schema.Struct({
  status: Schema.Literal("success"),
  message: Schema.String,
  data: Schema.Array(StreamDescription)
}).annotate({ identifier: "StreamsFound" })

export const Health = Schema.Struct({ status: Schema.Literal("healthy") })
export const Readiness = Schema.Struct({ status: Schema.Literal("ready") })

/** The header with the id of the server's log. */
export const logHeader = "floe-log"
const LogHeaders = {
  [logHeader]: Schema.optionalKey(
    Schema.String.annotate({ description: "Id of the log; only in the embedded profile" })
  )
}

const IdempotencyKey = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,255}$/u)).annotate({
  description:
    "1–255 visible ASCII characters; a repeat with the same key logs nothing twice. Keys are kept for 24 hours."
})

const Repeated = Schema.optionalKey(
  Schema.Literal("true").annotate({ description: "The key was used before: this request logged nothing" })
)
const Position = Schema.String.annotate({
  description: "<topic>/<partition>/<offset> of the event",
  examples: ["weather/0/42"]
})
const RetryAfter = Schema.String.annotate({ description: "Seconds to wait before trying again" })

const rejected = (status: number, identifier: string, description: string) =>
  ErrorBody.annotate({ identifier, description }).pipe(HttpApiSchema.status(status))
const retryable = (status: number, identifier: string, description: string) =>
  HttpApiSchema.WithHeaders(ErrorBody.annotate({ identifier, description }), { "retry-after": RetryAfter }).pipe(
    HttpApiSchema.status(status)
  )

const invalid = rejected(
  400,
  "Invalid",
  "A parameter, header or record is wrong, missing or unknown; nothing was logged"
)
const foreign = rejected(
  403,
  "Foreign",
  "A cross-site browser request, or a foreign Host while the server is bound to a loopback address"
)
const notFound = rejected(404, "NotFound", "A path that is not in this document")
const wrongMethod = HttpApiSchema.WithHeaders(
  ErrorBody.annotate({ identifier: "WrongMethod", description: "A method that is not in this document" }),
  { allow: Schema.String.annotate({ description: "The methods that the path supports" }) }
).pipe(HttpApiSchema.status(405))
const late = rejected(408, "Late", "The headers or the body did not arrive in time")
const inFlight = retryable(409, "InFlight", "A request with the same Idempotency-Key is in flight")
const tooLarge = rejected(413, "TooLarge", "More than 10,000 records, or more than 5 MiB as sent or inflated")
const unsupported = rejected(
  415,
  "Unsupported",
  "A content type other than JSON and NDJSON, or an encoding other than gzip"
)
const expectation = rejected(417, "Expectation", "An Expect header other than 100-continue; the connection is closed")
const reused = rejected(422, "Reused", "The Idempotency-Key was used for a different request")
const wideHeaders = rejected(431, "WideHeaders", "More than 1,000 headers, or 16 KiB of them with the path and query")
const failed = rejected(500, "Failed", "Internal error; it is unknown whether anything was logged")
const coding = rejected(501, "Coding", "A Transfer-Encoding other than chunked; the connection is closed")
const unavailable = retryable(503, "Unavailable", "Nothing was logged; the same request may be tried again")
const uncertain = retryable(
  504,
  "Uncertain",
  "It is unknown what was logged, because the log did not answer in time; a repeat with the same Idempotency-Key logs nothing twice"
)

const version = rejected(505, "Version", "An HTTP version other than 1.0 and 1.1")

/** Errors of every request. */
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
  .annotateMerge(OpenApi.annotations({ title: "Events", description: "Logging weather events" })) {}

const StreamName = Schema.String.annotate({ description: "Name of the stream" })
const Event = Schema.Record(Schema.String, Schema.Json).annotate({ identifier: "Event" })

/** The path of a stream's events; the document has one with the columns of each stream in its place. */
export const streamEventsPath = "/streams/{name}/events"

class StreamsGroup extends HttpApiGroup.make("streams", { topLevel: true })
  .add(
    HttpApiEndpoint.get("listStreams", "/streams", {
      success: StreamsFound.annotate({ description: "The streams with their columns, weather first" }),
      error: always
    }).annotateMerge(OpenApi.annotations({ summary: "List the streams" })),
    HttpApiEndpoint.get("describeStream", "/streams/:name", {
      params: { name: StreamName },
      success: StreamFound.annotate({ description: "The stream with its columns" }),
      error: always
    }).annotateMerge(OpenApi.annotations({ summary: "Describe a stream" })),
    HttpApiEndpoint.post("streamEvents", "/streams/:name/events", {
      params: { name: StreamName },
      query: {
        invalid: Schema.optionalKey(
          Schema.Literal("dead-letter").annotate({
            description:
              "Log the events that fit the columns, and keep the others with the reason as dead letters; without it, one event that does not fit rejects the request"
          })
        )
      },
      headers: { "idempotency-key": Schema.optionalKey(IdempotencyKey) },
      payload: [
        Schema.Union([Schema.Array(Event).check(Schema.isMinLength(1), Schema.isMaxLength(maxRecords)), Event]),
        HttpApiSchema.StreamNdjson({ schema: Event, contentType: ndjsonTypes, maxBytes: maxBodyBytes })
      ],
      success: HttpApiSchema.WithHeaders(StreamEventsLogged.annotate({ description: "All the events are durable" }), {
        "floe-repeated": Repeated
      }),
      error: [...always, inFlight, tooLarge, unsupported, reused, unavailable, uncertain]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Log up to 10,000 events of a stream, all or none",
        description: "A JSON array, one JSON object, or one JSON object per line; gzip is accepted."
      })
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "Streams", description: "Streams of typed events" })) {}

class SystemGroup extends HttpApiGroup.make("system", { topLevel: true })
  .add(
    HttpApiEndpoint.get("health", "/health", {
      success: HttpApiSchema.WithHeaders(Health, LogHeaders),
      error: always
    }).annotateMerge(OpenApi.annotations({ summary: "Whether the process is alive" })),
    HttpApiEndpoint.get("ready", "/ready", {
      success: HttpApiSchema.WithHeaders(Readiness, LogHeaders),
      error: [...always, unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Whether events can be logged now" }))
  )
  .annotateMerge(OpenApi.annotations({ title: "System", description: "The state of the server" })) {}

export class Api extends HttpApi.make("floe")
  .add(EventsGroup, StreamsGroup, SystemGroup)
  .annotateMerge(
    OpenApi.annotations({
      title: "Floe",
      version: "0.1.0",
      description:
        "Takes events of typed streams over HTTP, and of the built-in stream weather; a 200 response means that they are durable.",
      // An empty `securitySchemes` makes the page offer a login.
      transform: ({ components: { securitySchemes: _, ...components }, ...rest }) => ({ ...rest, components })
    })
  ) {}
