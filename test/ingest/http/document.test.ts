import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { HttpServer } from "../../../layers/ingest/http/HttpServer.ts"
import * as Streams from "../../../layers/log/memory/Streams.ts"
import { Disk, onDisk } from "../../support/heldLog.ts"
import { type Answer, exchange, json } from "./httpConnection.ts"
import { violations } from "./jsonSchema.ts"

const Media = Schema.Record(Schema.String, Schema.Struct({ schema: Schema.Record(Schema.String, Schema.Unknown) }))
const Operation = Schema.Struct({
  operationId: Schema.NonEmptyString,
  parameters: Schema.Array(
    Schema.Struct({
      name: Schema.NonEmptyString,
      in: Schema.Literals(["query", "header", "path", "cookie"]),
      required: Schema.Boolean,
      schema: Schema.Record(Schema.String, Schema.Unknown)
    })
  ),
  requestBody: Schema.optionalKey(Schema.Struct({ content: Media, required: Schema.Boolean })),
  responses: Schema.Record(
    Schema.String.check(Schema.isPattern(/^[1-5]\d\d$/)),
    Schema.Struct({
      description: Schema.NonEmptyString,
      content: Schema.optionalKey(Media),
      headers: Schema.optionalKey(
        Schema.Record(Schema.String, Schema.Struct({ required: Schema.Boolean, schema: Schema.Unknown }))
      )
    })
  )
})
/** What OpenAPI 3.1 requires of a document, as far as ours uses it. */
const Document = Schema.Struct({
  openapi: Schema.String.check(Schema.isPattern(/^3\.1\.\d+$/)),
  info: Schema.Struct({ title: Schema.NonEmptyString, version: Schema.NonEmptyString }),
  paths: Schema.Record(Schema.String.check(Schema.isPattern(/^\//)), Schema.Record(Schema.String, Operation)),
  components: Schema.Struct({
    schemas: Schema.Record(Schema.String, Schema.Unknown),
    securitySchemes: Schema.optionalKey(Schema.Unknown)
  })
})

const references = (value: unknown): ReadonlyArray<string> => {
  if (typeof value !== "object" || value === null) return []
  const own = "$ref" in value && typeof value.$ref === "string" ? [value.$ref] : []
  return [...own, ...Object.values(value).flatMap(references)]
}

const oslo = { city: "Oslo", temperature: "1.5" }

layer(HttpServer.at("127.0.0.1", 0).pipe(Layer.provide(Streams.layer)).pipe(Layer.provideMerge(onDisk)))(
  "the OpenAPI document",
  (it) => {
    const fetched = Effect.gen(function* () {
      const { port } = yield* HttpServer
      const answer = yield* exchange(port, "GET", "/openapi.json")
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers.get("content-type"), "application/json")
      return { raw: json(answer), document: Schema.decodeUnknownSync(Document)(json(answer)) }
    })

    it.effect("is valid and complete", () =>
      Effect.gen(function* () {
        const { raw, document } = yield* fetched
        assert.sameMembers(Object.keys(document.paths), [
          "/log",
          "/events",
          "/streams",
          "/streams/{name}",
          "/streams/weather/events",
          "/health",
          "/ready"
        ])
        const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
        const ids = operations.map(({ operationId }) => operationId)
        assert.strictEqual(new Set(ids).size, ids.length)
        // With any, even none, the page would offer to log in.
        assert.notProperty(document.components, "securitySchemes")
        for (const reference of references(raw)) {
          const name = /^#\/components\/schemas\/([\w.-]+)$/.exec(reference)?.[1] ?? ""
          assert.property(document.components.schemas, name)
        }
      })
    )

    it.effect("describes what may be sent", () =>
      Effect.gen(function* () {
        const { document } = yield* fetched
        const { schemas } = document.components
        const log = document.paths["/log"]?.get
        assert.deepStrictEqual(
          log?.parameters.map(({ name, in: place, required }) => `${place} ${name} ${required}`).sort(),
          ["header idempotency-key false", "query city true", "query temperature true"]
        )
        const temperature = log?.parameters.find(({ name }) => name === "temperature")?.schema
        assert.deepStrictEqual(violations(temperature, "-1.5e3", schemas), [])
        for (const bad of ["abc", "", "1e999", "1".repeat(33)])
          assert.isNotEmpty(violations(temperature, bad, schemas), bad)
        for (const good of ["0", "-40", "1e2", "1E+05", "1e-999"])
          assert.isEmpty(violations(temperature, good, schemas), good)
        const city = log?.parameters.find(({ name }) => name === "city")?.schema
        for (const bad of ["", " ", "a\nb", "\u0085a", "\u3000", "a".repeat(257)]) {
          assert.isNotEmpty(violations(city, bad, schemas), JSON.stringify(bad))
        }
        for (const good of ["Oslo", " a ", "東京 🌧️", "\ufeffa"]) assert.isEmpty(violations(city, good, schemas), good)
        const body = document.paths["/events"]?.post?.requestBody?.content
        assert.sameMembers(Object.keys(body ?? {}), [
          "application/json",
          "application/x-ndjson",
          "application/ndjson",
          "application/jsonl"
        ])
        const schema = body?.["application/json"]?.schema
        for (const good of [oslo, [oslo, oslo], { ...oslo, temperature: -4.5 }])
          assert.deepStrictEqual(violations(schema, good, schemas), [])
        for (const bad of [[], 5, { ...oslo, ts: "x" }, [{ city: "a" }], [{ ...oslo, city: 5 }]]) {
          assert.isNotEmpty(violations(schema, bad, schemas), JSON.stringify(bad))
        }
      })
    )

    it.effect("describes the answers that the server gives", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const disk = yield* Disk
        const { document } = yield* fetched
        const matches = (method: string, path: string, status: number, answer: Answer) => {
          assert.strictEqual(answer.status, status, answer.body)
          const response = document.paths[path]?.[method]?.responses[String(status)]
          assert.isDefined(response, `${method} ${path} ${status} is described`)
          const schema = response.content?.[answer.headers.get("content-type") ?? ""]?.schema
          assert.isDefined(schema)
          assert.deepStrictEqual(violations(schema, json(answer), document.components.schemas), [])
          for (const [name, header] of Object.entries(response.headers ?? {})) {
            const value = answer.headers.get(name)
            if (header.required) assert.isDefined(value, name)
            if (value !== undefined) assert.deepStrictEqual(violations(header.schema, value, {}), [])
          }
        }
        const log = (query: string, headers = {}) => exchange(port, "GET", `/log?${query}`, headers)
        const post = (body: unknown, headers = {}) =>
          exchange(port, "POST", "/events", { "Content-Type": "application/json", ...headers }, JSON.stringify(body))
        const key = { "Idempotency-Key": "document" }
        matches("get", "/log", 200, yield* log("city=Oslo&temperature=1.5", key))
        matches("get", "/log", 200, yield* log("city=Oslo&temperature=1.5", key))
        matches("get", "/log", 422, yield* log("city=Lima&temperature=1.5", key))
        matches("get", "/log", 400, yield* log("city=Oslo"))
        matches("get", "/log", 403, yield* log("city=Oslo&temperature=1", { Host: "floe.example" }))
        matches("post", "/events", 200, yield* post([oslo, oslo]))
        matches("post", "/events", 200, yield* post(oslo, { "Idempotency-Key": "document-2" }))
        matches("post", "/events", 200, yield* post(oslo, { "Idempotency-Key": "document-2" }))
        matches("post", "/events", 400, yield* post([{ ...oslo, ts: "x" }]))
        matches("post", "/events", 403, yield* post(oslo, { "Sec-Fetch-Site": "cross-site" }))
        matches("post", "/events", 413, yield* post(Array(10_001).fill(oslo)))
        matches("post", "/events", 415, yield* post(oslo, { "Content-Type": "text/plain" }))
        matches("post", "/events", 422, yield* post(oslo, key))
        const foreign = { Host: "floe.example" }
        for (const path of ["/log", "/events", "/health", "/ready"]) {
          const method = path === "/events" ? "post" : "get"
          matches(method, path, 405, yield* exchange(port, "DELETE", path))
          matches(method, path, 417, yield* exchange(port, "GET", path, { Expect: "x" }))
          matches(method, path, 431, yield* exchange(port, "GET", path, { X: "x".repeat(20_000) }))
          matches(method, path, 501, yield* exchange(port, "GET", path, { "Transfer-Encoding": "gzip, chunked" }))
          if (path !== "/events") matches(method, path, 403, yield* exchange(port, "GET", path, foreign))
          matches(method, path, 404, yield* exchange(port, "GET", `${path}/`))
        }
        matches("get", "/health", 200, yield* exchange(port, "GET", "/health"))
        matches("get", "/ready", 200, yield* exchange(port, "GET", "/ready"))
        disk.silent = true
        matches("get", "/log", 504, yield* log("city=Oslo&temperature=1.5"))
        matches("post", "/events", 504, yield* post(oslo))
        disk.full = true
        matches("get", "/log", 503, yield* log("city=Oslo&temperature=1.5"))
        matches("post", "/events", 503, yield* post(oslo))
        matches("get", "/ready", 503, yield* exchange(port, "GET", "/ready"))
      })
    )

    it.effect("is shown by a page that needs nothing from elsewhere", () =>
      Effect.gen(function* () {
        const { port } = yield* HttpServer
        const answer = yield* exchange(port, "GET", "/docs")
        assert.strictEqual(answer.status, 200)
        assert.match(answer.headers.get("content-type") ?? "", /^text\/html/)
        assert.match(answer.headers.get("content-security-policy") ?? "", /^default-src 'none';/)
        assert.notMatch(answer.body, /<(script|link|img|iframe)[^>]+(src|href)=["']?(https?:)?\/\//i)
        assert.include(answer.body, `"/events"`)
      })
    )
  }
)
