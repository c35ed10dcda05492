import type { Message } from "@confluentinc/kafka-javascript"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { columnsOf, jsonLine } from "../../../layers/cli/terminal/renderDeadLetters.ts"
import { makeSummary } from "../../../layers/cli/terminal/renderRedrive.ts"
import { correctionLine, draftOf, positionOf, readingOf } from "../../../layers/ingest/deadletters/Correction.ts"
import { folding, letterOf, noteHeaders, noteOf } from "../../../layers/log/kafka/deadLetterRecords.ts"
import { floe } from "../../support/program.ts"

const context = (stage: string, by: string, message: string, offset = "123") =>
  Object.entries({
    topic: "weather",
    partition: "0",
    offset,
    "connector.name": "iceberg-sink",
    "task.id": "0",
    stage,
    "class.name": by,
    "exception.class.name": "org.apache.kafka.connect.errors.DataException",
    "exception.message": message,
    "exception.stacktrace": `org.apache.kafka.connect.errors.DataException: ${message}\n\tat x.Y.z(Y.java:1)\n`
  }).map(([name, value]) => ({ [`__connect.errors.${name}`]: Buffer.from(value) }))

const transform = (message: string, offset?: string) =>
  context("TRANSFORMATION", "floe.connect.RequireWeather", message, offset)

const message = (offset: number, value: string | Buffer | null, headers: Message["headers"] = []): Message => ({
  partition: 0,
  offset,
  value: value === null ? null : Buffer.from(value),
  key: null,
  timestamp: 1_767_882_600_000,
  headers
})

const at = (offset: number) => ({ partition: 0, offset })

describe("a message of the dead-letter topic", () => {
  it("names its place in the log, and briefly why it was rejected", () => {
    const tail = "; a weather reading is an object with the string fields city, temperature and ts."
    const reasons = [
      transform(`The value is a number${tail}`),
      transform(`The field temperature is a number${tail}`),
      transform(`The field city is missing${tail}`),
      context("VALUE_CONVERTER", "org.apache.kafka.connect.json.JsonConverter", "Converting byte[] failed: "),
      context("TRANSFORMATION", "other.Transform", ""),
      []
    ].map((headers) => letterOf(message(0, "x", headers), []).reason)
    assert.deepStrictEqual(reasons, [
      "the value is a number",
      "temperature is a number",
      "city is missing",
      "not JSON",
      "DataException",
      "no reason is given"
    ])
    const letter = letterOf(message(7, "x", [{ mine: Buffer.from("1") }, ...transform("The value is null")]), [])
    assert.strictEqual(letter.source, "weather/0/123")
    assert.deepStrictEqual(letter.position, at(7))
    assert.deepStrictEqual(
      letter.headers.map(({ name }) => name),
      ["mine"]
    )
    assert.include(letter.rejection.trace ?? "", "at x.Y.z")
  })

  it("that was rejected twice is described by the newer headers, and one without headers by none", () => {
    const twice = message(7, "x", [...transform("The value is null", "1"), ...transform("The field ts is null", "2")])
    assert.strictEqual(letterOf(twice, []).source, "weather/0/2")
    assert.strictEqual(letterOf(twice, []).reason, "ts is null")
    assert.isNull(letterOf(message(7, "x", [{ "__connect.errors.topic": "weather" }]), []).source)
    assert.isNull(letterOf(message(7, "x", transform("no", "-1")), []).source)
  })

  it("records a redrive only with both of our headers and none of Kafka Connect's", () => {
    const headers = noteHeaders({ position: at(12), at: "weather/0/99" })
    assert.deepStrictEqual(noteOf(message(20, "", headers)), { position: at(12), at: "weather/0/99" })
    assert.isUndefined(noteOf(message(20, "", headers.slice(0, 1))))
    assert.isUndefined(noteOf(message(20, "", [{ "floe-replayed": "0/x" }, { "floe-position": "weather/0/9" }])))
    assert.isUndefined(noteOf(message(20, "", [...headers, ...transform("The value is null")])))
  })
})

describe("records of redrives", () => {
  const note = (offset: number, of: number, place: string) =>
    message(offset, "", noteHeaders({ position: at(of), at: place }))

  it("are summed up: each dead letter waits until its redrive is recorded, and the same record counts once", () => {
    const fold = folding([{ partition: 0, start: 0, end: 6 }])
    for (const offset of [0, 1, 2]) fold.take(message(offset, "x", transform("The value is null")))
    assert.deepStrictEqual(fold.counts(), { waiting: 3, redriven: 0 })
    for (const one of [note(3, 1, "weather/0/9"), note(4, 1, "weather/0/9"), note(5, 1, "weather/0/30")]) fold.take(one)
    assert.deepStrictEqual(fold.counts(), { waiting: 2, redriven: 1 })
    assert.deepStrictEqual(fold.redrivesOf(at(1)), ["weather/0/9", "weather/0/30"])
    assert.deepStrictEqual(fold.redrivesOf(at(0)), [])
    assert.deepStrictEqual(
      [0, 1, 2, 3, 4, 5].map((offset) => fold.isNote(at(offset))),
      [false, false, false, true, true, true]
    )
    assert.isFalse(fold.isNote({ partition: 1, offset: 3 }))
  })

  it("do not count where the dead letter has expired", () => {
    const fold = folding([{ partition: 0, start: 2, end: 5 }])
    fold.take(message(2, "x", transform("The value is null")))
    for (const one of [note(3, 0, "weather/0/9"), note(4, 1, "weather/0/10")]) fold.take(one)
    assert.deepStrictEqual(fold.counts(), { waiting: 1, redriven: 0 })
    assert.isTrue(fold.isNote(at(3)))
  })
})

describe("corrections", () => {
  const reading = (value: string | Buffer | null, corrected?: { city?: string; temperature?: string }) =>
    Result.merge(readingOf(value === null ? null : Buffer.from(value), corrected))

  it("sends a valid reading as it is, without its surplus fields and its ts", () => {
    assert.deepStrictEqual(reading('{"x":1,"temperature":"8.50","city":"Oslo","ts":null}'), {
      city: "Oslo",
      temperature: "8.50"
    })
    assert.deepStrictEqual(reading('{"city":"Oslo","temperature":8.50}'), { city: "Oslo", temperature: "8.50" })
  })

  it("names what is wrong with other values", () => {
    const cases: ReadonlyArray<readonly [string | Buffer | null, string]> = [
      [null, "it has no value"],
      [Buffer.from([0xff, 0xfe]), "its value is not valid UTF-8"],
      ["hello", "its value is not valid JSON"],
      ["42", "its value is not an object with city and temperature"],
      ['["a"]', "its value is not an object with city and temperature"],
      ['{"city":"Oslo","temperature":true}', "temperature must be a number, or a string that holds one"],
      ['{"city":"Oslo","temperature":"1","city":"Lima"}', "its value names a field twice"],
      ['{"temperature":"warm"}', "city is required; temperature must be a decimal number, for example 72.5"]
    ]
    for (const [value, reason] of cases) assert.strictEqual(reading(value), reason)
  })

  it("replaces a field or both, whatever the value is", () => {
    const oslo = { city: "Oslo", temperature: "1.0" }
    assert.deepStrictEqual(reading('{"city":"Oslo","temperature":1}', { temperature: "1.0" }), oslo)
    assert.deepStrictEqual(reading('{"temperature":"1.0"}', { city: "Oslo" }), oslo)
    assert.deepStrictEqual(reading(null, oslo), oslo)
    assert.strictEqual(reading(null, { city: "Oslo" }), "it has no value")
    assert.strictEqual(reading('{"city":"Bergen"}', { city: "Oslo" }), "temperature is required")
  })

  it("reads positions in every form in which they are shown", () => {
    assert.deepStrictEqual(positionOf("12"), at(12))
    assert.deepStrictEqual(positionOf("0/12"), at(12))
    assert.deepStrictEqual(positionOf("weather-dlq/3/12"), { partition: 3, offset: 12 })
    for (const wrong of ["", "-1", "a", "0/", "0/1/2/3", "1.5", "weather/0/12"]) assert.isUndefined(positionOf(wrong))
  })

  it("accepts the lines that the list prints, once they are corrected", () => {
    const value = '{"city":"Oslo","temperature":true}'
    const line = jsonLine(letterOf(message(7, value, transform("The field temperature is a boolean")), []))
    assert.deepStrictEqual(draftOf(Buffer.from(value)), { city: "Oslo", temperature: null })
    assert.deepStrictEqual(
      correctionLine(Buffer.from(line)),
      Result.succeed({
        position: at(7),
        reading: Result.fail("temperature must be a number, or a string that holds one")
      })
    )
    for (const temperature of ['"1.0"', "1.0"]) {
      assert.deepStrictEqual(
        correctionLine(Buffer.from(line.replace('"temperature":null', `"temperature":${temperature}`))),
        Result.succeed({ position: at(7), reading: Result.succeed({ city: "Oslo", temperature: "1.0" }) })
      )
    }
    const twice = '{"position":"0/7","city":"a","city":"b","temperature":"1"}'
    const wrong = [
      twice,
      "hello",
      "[]",
      '{"city":"Oslo","temperature":"1"}',
      '{"position":"x","city":"a","temperature":"1"}'
    ]
    for (const text of wrong) assert.isTrue(Result.isFailure(correctionLine(Buffer.from(text))), text)
    assert.isTrue(Result.isFailure(correctionLine(Buffer.from([0xff]))))
  })
})

describe("the output", () => {
  const cellsOf = (value: string | Buffer | null, terminal?: number) =>
    columnsOf(false, terminal).map(({ of }) => of(letterOf(message(7, value, transform("The value is null")), [])))

  it("of the list is one line each, with the beginning of the value", () => {
    assert.deepStrictEqual(cellsOf(null), ["0/7", "2026-01-08 14:30", "0/123", "the value is null", null])
    assert.strictEqual(cellsOf("x".repeat(1_000_000))[4], `${"x".repeat(199)}…`)
    assert.strictEqual(cellsOf("x".repeat(200))[4], "x".repeat(200))
    assert.strictEqual(cellsOf("x".repeat(100), 80)[4], `${"x".repeat(13)}…`)
    assert.strictEqual(cellsOf(Buffer.from([0xff, 0x1b]))[4], "0xff1b")
  })

  it("has a time even if a producer sent one beyond every date", () => {
    const nanoseconds = letterOf({ ...message(7, null), timestamp: 1_767_882_600_000_000_000 }, [])
    assert.strictEqual(JSON.parse(jsonLine(nanoseconds)).loggedAt, "+275760-09-13T00:00:00.000Z")
  })

  it("as JSON is complete, with bytes that are not text in Base64", () => {
    const binary = JSON.parse(jsonLine(letterOf(message(7, Buffer.from([0xff, 0x1b])), ["weather/0/9"])))
    assert.isNull(binary.value)
    assert.strictEqual(binary.valueBase64, "/xs=")
    assert.deepStrictEqual(binary.redrives, ["weather/0/9"])
    const none = JSON.parse(jsonLine(letterOf(message(7, null), [])))
    assert.isNull(none.value)
    assert.notProperty(none, "valueBase64")
  })

  it("of a redrive names those that were not sent, up to a hundred, and counts them all", () => {
    const named = makeSummary(false)
    for (let offset = 0; offset < 130; offset++) {
      const wanted = { position: at(offset), reading: Result.fail("it has no value") }
      named.take({ wanted, result: { _tag: "NotSent", reason: "it has no value" } })
    }
    assert.strictEqual(named.text().split("\n").length, 101)
    assert.match(named.text(), /^0\/0: it has no value\.\n/)
    assert.strictEqual(
      named.failure()?.message,
      "130 dead letters were not sent, 30 of them not listed here (--json lists all)."
    )
  })

  it("of a redrive counts a line that was already sent as no failure", () => {
    const wanted = { position: at(1), reading: Result.fail("") }
    for (const isFile of [true, false]) {
      const outcomes = makeSummary(isFile)
      outcomes.take({ wanted, result: { _tag: "SentBefore", at: "weather/0/9" } })
      assert.strictEqual(outcomes.failure() === undefined, isFile)
    }
  })
})

describe("floe dlq in the embedded profile", () => {
  const processes = { timeout: 60_000 }
  const sentence =
    "Weather has no dead letters in the embedded profile, because its log accepts only valid records; --stream names another stream.\n"

  it.live(
    "reports that nothing invalid reaches the log",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* floe(["dlq", "list"]), { code: 0, out: sentence, err: "" })
        assert.deepStrictEqual(yield* floe(["dlq", "list", "--json"]), { code: 0, out: "", err: sentence })
        assert.deepStrictEqual(yield* floe(["dlq", "redrive", "--all"]), { code: 0, out: sentence, err: "" })
        assert.deepStrictEqual(yield* floe(["dlq", "show", "0/3"]), { code: 1, out: "", err: sentence })
      }),
    processes
  )

  it.live(
    "exits with 2 for contradictory arguments",
    () =>
      Effect.gen(function* () {
        for (const args of [
          ["show", "x"],
          ["show", "0/1", "--raw", "--json"],
          ["redrive"],
          ["redrive", "0/1", "0/2", "--city", "Oslo"]
        ]) {
          assert.strictEqual((yield* floe(["dlq", ...args])).code, 2, args.join(" "))
        }
      }),
    processes
  )
})
