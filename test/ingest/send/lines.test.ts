import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DuckDBInstance } from "@duckdb/node-api"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import fc from "fast-check"
import { type Format, type Line, maxLineBytes, maxQuotedBytes, splitter } from "../../../layers/ingest/send/lines.ts"
import { parser } from "../../../layers/ingest/send/records.ts"
import { formatOf, problemOf } from "../../../layers/ingest/send/Source.ts"
import { temporaryFolder } from "../../support/dataFolder.ts"

const linesOf = (content: string | Buffer, format: Format, chunkBytes = 256 * 1024) => {
  const bytes = Buffer.from(content)
  const { push, end } = splitter(format)
  const found: Array<Line> = []
  for (let at = 0; at < bytes.length; at += chunkBytes) found.push(...push(bytes.subarray(at, at + chunkBytes)))
  found.push(...end())
  assert.isTrue(Buffer.concat(found.map(({ raw }) => raw)).equals(bytes))
  if (bytes.length > 0) assert.strictEqual(found.at(-1)?.end, bytes.length)
  return found
}

/** Readings as city and temperature; of what is rejected the line and the reason. */
const parsedOf = (content: string | Buffer, format: Format) => {
  const parse = parser(format)
  return linesOf(content, format).flatMap((line): ReadonlyArray<readonly [string | number, string]> => {
    const parsed = parse(line)
    if (parsed._tag === "Nothing") return []
    if (parsed._tag === "Reading") return [[parsed.reading.city, parsed.reading.temperature]]
    return parsed._tag === "Rejected" ? [[parsed.rejected.line, parsed.rejected.reason]] : [["header", parsed.reason]]
  })
}

describe("CSV", () => {
  it("is read by RFC 4180: quotes and commas in fields, any order of columns, a byte order mark", () => {
    const text = '\ufefftemperature,city\r\n1,"a, ""b"""\r\n2,\n\n3,"Ro"me\r\n4,Oslo,x\r\n5,"two\nlines"\r\n6,Pune'
    assert.deepStrictEqual(parsedOf(text, "csv"), [
      ['a, "b"', "1"],
      [3, "city must not be empty"],
      [5, "it has text after a closing quote"],
      [6, "it has 3 fields, and the first line has 2"],
      [7, "city must not contain control characters"],
      ["Pune", "6"]
    ])
  })

  it("keeps a quote within an unquoted field", () => {
    assert.deepStrictEqual(parsedOf('city,temperature\nA,1\nMonitor 24",5\nB,2\n5" or 3"",3\nC,4"\n', "csv"), [
      ["A", "1"],
      ['Monitor 24"', "5"],
      ["B", "2"],
      ['5" or 3""', "3"],
      [6, "temperature must be a decimal number, for example 72.5"]
    ])
  })

  it("continues after a quote that is never closed, or closed by one that opens another field", () => {
    const rows = Array.from({ length: 5000 }, (_, i) => `City ${i},${i}\n`)
    const readings = rows.map((_, i) => [`City ${i}`, `${i}`] as const)
    const never = [3, "a quote in it is not closed"] as const
    const text = (open: string, close: string) => `city,temperature\nOslo,1\n${open}\n${rows.join("")}${close}`
    assert.deepStrictEqual(parsedOf(text('"Monitor 24,5', ""), "csv"), [["Oslo", "1"], never, ...readings])
    assert.deepStrictEqual(parsedOf(text('"Monitor 24,5', '"Lima",2\n'), "csv"), [
      ["Oslo", "1"],
      never,
      ...readings,
      ["Lima", "2"]
    ])
    const near = `city,temperature\nOslo,1\n"Rome,5\nPune,6\n"Lima",2\n`
    assert.deepStrictEqual(parsedOf(near, "csv"), [["Oslo", "1"], never, ["Pune", "6"], ["Lima", "2"]])
    assert.deepStrictEqual(parsedOf('city,temperature\n"Oslo,1\n', "csv"), [[2, "a quote in it is not closed"]])
  })

  it("reports a quoted field over several lines with all of them, and continues after it", () => {
    const parse = parser("csv")
    const text = 'city,temperature\n"a\nb,1\r\nc",2\nOslo,3\n'
    const parsed = linesOf(text, "csv").map(parse)
    assert.deepStrictEqual(parsed[1], {
      _tag: "Rejected",
      rejected: {
        line: 2,
        lines: 3,
        reason: "city must not contain control characters",
        text: '"a\nb,1\r\nc",2'
      }
    })
    assert.deepInclude(parsed[2], { _tag: "Reading" })
  })

  it("ends lines with LF, CRLF or CR", () => {
    const text = "city,temperature\rOslo,1\r\nLima,2\r\rPune,3\nRome,x\r"
    assert.deepStrictEqual(parsedOf(text, "csv"), [
      ["Oslo", "1"],
      ["Lima", "2"],
      ["Pune", "3"],
      [6, "temperature must be a decimal number, for example 72.5"]
    ])
  })

  it("needs a header that names exactly the fields of a record", () => {
    const header = (text: string) => parsedOf(text, "csv")[0]?.[1]
    assert.strictEqual(
      header("city,temperature,ts\n"),
      'its first line names "ts", but a record has only city and temperature'
    )
    assert.strictEqual(header("city\nOslo\n"), "its first line does not name temperature")
    assert.strictEqual(header("city,city,temperature\n"), "its first line names a field twice")
    assert.strictEqual(header('"city,temperature\n'), "the quotes in its first line are wrong")
    assert.strictEqual(
      header(`${"x".repeat(2 * maxLineBytes)}\n`),
      `its first line is longer than ${maxLineBytes} bytes`
    )
  })
})

const temperature = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/
const isReading = ([city, number, ...rest]: ReadonlyArray<string>) =>
  rest.length === 0 && /\S/.test(city ?? "") && !/\p{Cc}/u.test(city ?? "") && temperature.test(number ?? "")

const readingsOf = (text: string) => parsedOf(text, "csv").filter(([city]) => typeof city === "string")

describe("CSV as others read it", () => {
  // Made by csvRows.py.
  const Recorded = Schema.fromJsonString(
    Schema.Array(Schema.Struct({ text: Schema.String, rows: Schema.NullOr(Schema.Array(Schema.Array(Schema.String))) }))
  )
  const recorded = Schema.decodeUnknownSync(Recorded)(
    readFileSync(join(import.meta.dirname, "..", "..", "recorded", "csvRows.json"), "utf8")
  )

  it("has the rows that Python's csv reads, wherever that takes the quotes", () => {
    let compared = 0
    for (const { text, rows } of recorded) {
      if (rows === null) continue
      compared++
      assert.deepStrictEqual<unknown>(readingsOf(text), rows.filter(isReading), text)
    }
    assert.isAbove(compared, 150)
  })

  const unquoted = fc
    .string({ unit: fc.constantFrom("a", '"', " ", "é", "'"), minLength: 1, maxLength: 8 })
    .filter((city) => !city.startsWith('"') && city.trim() === city)
  const quoted = fc
    .string({ unit: fc.constantFrom("a", '"', ",", "é"), minLength: 1, maxLength: 8 })
    .map((city) => `"${city.replaceAll('"', '""')}"`)
  const row = fc.tuple(fc.oneof(unquoted, quoted), fc.integer({ min: -99, max: 99 })).map((row) => row.join(","))

  it.live("has the rows that DuckDB reads where quotes are strays in unquoted fields, or are closed", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "rows.csv")
      const instance = yield* Effect.promise(() => DuckDBInstance.create(":memory:"))
      const connection = yield* Effect.promise(() => instance.connect())
      const read = `FROM read_csv('${path}', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
        strict_mode = false, columns = {city: 'VARCHAR', temperature: 'VARCHAR'})`
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
            const text = `city,temperature\n${rows.join("\n")}\n`
            writeFileSync(path, text)
            const byDuckDB = (await connection.runAndReadAll(read)).getRowsJson()
            assert.deepStrictEqual<unknown>(readingsOf(text), byDuckDB)
          }),
          { numRuns: 60 }
        )
      )
      connection.closeSync()
      instance.closeSync()
    }).pipe(Effect.scoped)
  )
})

describe("NDJSON", () => {
  it("has one record per line; any other line is rejected with its number and the reason", () => {
    const text = [
      '{"city":"Oslo","temperature":"41.50"}',
      "",
      '{"city":"Oslo"}',
      '{"city":"Oslo","temperature":41.50}',
      '{"city":"Oslo","temperature":"1","ts":"2026-01-08-14"}',
      "nonsense",
      "[1]",
      '{"city":"Oslo","city":"Lima","temperature":"1"}',
      '{"city":7,"temperature":1}',
      '{"city":"東京","temperature":"1e2"}\r'
    ].join("\n")
    assert.deepStrictEqual(parsedOf(text, "ndjson"), [
      ["Oslo", "41.50"],
      [3, "temperature is required"],
      ["Oslo", "41.50"],
      [5, "ts is set by the server"],
      [6, "it is not valid JSON"],
      [7, "it must be an object with city and temperature"],
      [8, "it names a field twice"],
      [9, "city must be a string"],
      ["東京", "1e2"]
    ])
  })
})

describe("any file", () => {
  it("has lines that are too long or not UTF-8 rejected, and the lines after them read", () => {
    const long = `city,temperature\nOslo,1\n"${"x".repeat(3 * maxLineBytes)}\nLima,2\n`
    assert.deepStrictEqual(parsedOf(long, "csv"), [
      ["Oslo", "1"],
      [3, `it is longer than ${maxLineBytes} bytes`],
      ["Lima", "2"]
    ])
    const broken = Buffer.concat([
      Buffer.from("city,temperature\n"),
      Buffer.from([0xff, 0x2c, 0x31, 0x0a]),
      Buffer.from("a\0b,1\nLima,2\n")
    ])
    assert.deepStrictEqual(parsedOf(broken, "csv"), [
      [2, "it is not valid UTF-8"],
      [3, "city must not contain control characters"],
      ["Lima", "2"]
    ])
  })

  const piece = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...['"', '"', "\n", "\n", "\r\n", "\r", ",", "Oslo,1", '"Oslo",1', "a"]) },
    { weight: 1, arbitrary: fc.constant("x".repeat(maxQuotedBytes / 2)) },
    { weight: 1, arbitrary: fc.constant('{"city":"a","temperature":1}\n') }
  )
  const bytes = fc.oneof(
    fc.array(piece, { maxLength: 40 }).map((pieces) => Buffer.from(pieces.join(""))),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))
  )

  it("is split into the same lines however it is read; each is a reading, rejected, blank or the header", () => {
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 50 }), fc.constantFrom("csv", "ndjson"), (bytes, some, format) => {
        const chunk = bytes.length > 1000 ? 97 * some : some
        const file = format === "csv" ? Buffer.concat([Buffer.from("city,temperature\n"), bytes]) : bytes
        const whole = linesOf(file, format)
        assert.deepStrictEqual(linesOf(file, format, chunk), whole)
        const text = file.toString("latin1")
        const physical = text.split(format === "csv" ? /\r\n|\n|\r/ : "\n")
        if (physical.at(-1) === "") physical.pop()
        const parse = parser(format)
        let accounted = 0
        for (const line of whole) {
          const parsed = parse(line)
          assert.notStrictEqual(parsed._tag, "BadHeader")
          if (parsed._tag === "Rejected") {
            assert.strictEqual(parsed.rejected.line, accounted + 1)
            accounted += parsed.rejected.lines ?? 1
          } else {
            accounted += 1
            if (parsed._tag === "Nothing" && accounted > (format === "csv" ? 1 : 0)) {
              assert.match(physical[accounted - 1] ?? "", /^(\u00ef\u00bb\u00bf)?[ \t\r]*$/)
            }
          }
        }
        assert.strictEqual(accounted, physical.length)
      }),
      { numRuns: 500 }
    )
  })

  it("has the format of its name or its first character, and is rejected if it cannot be read", () => {
    const guess = (name: string, content: string) => formatOf(name, Buffer.from(content))
    assert.strictEqual(guess("a.CSV", "{"), "csv")
    assert.strictEqual(guess("a.jsonl", "city"), "ndjson")
    assert.strictEqual(guess("a.txt", "\ufeff\r\n {"), "ndjson")
    assert.strictEqual(guess("a.txt", "city,"), "csv")
    assert.isUndefined(guess("a.txt", " \n"))
    const problem = (head: Buffer, format: Format = "csv") => problemOf(format, head) ?? ""
    assert.match(problem(Buffer.from("city", "utf16le")), /UTF-16/)
    assert.match(problem(Buffer.from("\ufeffcity", "utf16le")), /UTF-16/)
    assert.match(problem(Buffer.from("\ufeffcity", "utf16le").swap16()), /UTF-16/)
    assert.match(problem(Buffer.from("city", "utf16le").swap16()), /UTF-16/)
    assert.match(problem(Buffer.from([0x1f, 0x8b, 8, 0])), /gzip/)
    assert.match(problem(Buffer.from('[{"city'), "ndjson"), /JSON array/)
    for (const text of ["city,temperature\n", "\ufeffcity", '{"city":', "é", "a"]) {
      assert.strictEqual(problem(Buffer.from(text), formatOf("x", Buffer.from(text))), "")
    }
  })
})
