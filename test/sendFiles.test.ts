import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Line, lines, maxLineBytes } from "../layers/send/Lines.ts"
import { type Format, parser } from "../layers/send/Records.ts"
import { temporaryFolder } from "./dataFolder.ts"

const parsedOf = Effect.fnUntraced(function* (text: string | Buffer, format: Format) {
  const path = join(yield* temporaryFolder, "file")
  writeFileSync(path, text)
  const found = yield* Effect.promise(async () => {
    const found: Array<Line> = []
    for await (const group of lines(path, format === "csv")) found.push(...group)
    return found
  })
  assert.deepStrictEqual(Buffer.concat(found.map(({ raw }) => raw)), Buffer.from(text))
  assert.strictEqual(found.at(-1)?.end, Buffer.byteLength(text))
  const parse = parser(format)
  return found.flatMap((line): ReadonlyArray<readonly [string | number, string]> => {
    const parsed = parse(line)
    if (parsed._tag === "Nothing") return []
    if (parsed._tag === "Reading") return [[parsed.reading.city, parsed.reading.temperature]]
    return parsed._tag === "Refused" ? [[parsed.refused.line, parsed.refused.reason]] : [["header", parsed.reason]]
  })
}, Effect.scoped)

describe("files to send", () => {
  it.effect("CSV by RFC 4180: quotes, commas and line ends in fields, any order of columns, a byte order mark", () =>
    Effect.gen(function* () {
      const text = '\ufefftemperature,city\r\n1,"a, ""b"""\r\n2,\n\n3,"Ro"me\r\n4,Oslo,x\r\n5,"two\nlines"\r\n6,Pune'
      assert.deepStrictEqual(yield* parsedOf(text, "csv"), [
        ['a, "b"', "1"],
        [3, "city must not be empty"],
        [5, "its quotes are wrong"],
        [6, "it has 3 fields, and the first line has 2"],
        [7, "city must not contain control characters"],
        ["Pune", "6"]
      ])
    })
  )

  it.effect("a CSV header that does not name exactly the fields of a record is told", () =>
    Effect.gen(function* () {
      const header = (text: string) => Effect.map(parsedOf(text, "csv"), ([first]) => first?.[1])
      assert.strictEqual(
        yield* header("city,temperature,ts\n"),
        'its first line names "ts", and a record has city and temperature only'
      )
      assert.strictEqual(yield* header("city\nOslo\n"), "its first line does not name temperature")
      assert.strictEqual(yield* header("city,city,temperature\n"), "its first line names a field twice")
      assert.strictEqual(yield* header('"city,temperature\n'), "the quotes in its first line are wrong")
    })
  )

  it.effect("NDJSON: what is no record is refused with its line and the reason", () =>
    Effect.gen(function* () {
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
      const found = yield* parsedOf(text, "ndjson")
      assert.deepStrictEqual(
        found.map(([first]) => first),
        ["Oslo", 3, "Oslo", 5, 6, 7, 8, 9, "東京"]
      )
      assert.deepStrictEqual(
        found.map(([, second]) => second),
        [
          "41.50",
          "temperature is required",
          "41.50",
          "ts is set by the server",
          "it is not valid JSON",
          "it must be an object with city and temperature",
          "it names a field twice",
          "city must be a string",
          "1e2"
        ]
      )
    })
  )

  it.effect("a line that is too long or no UTF-8 is refused, and those behind it are read", () =>
    Effect.gen(function* () {
      const long = `city,temperature\nOslo,1\n"${"x".repeat(3 * maxLineBytes)}\nLima,2\n`
      assert.deepStrictEqual(yield* parsedOf(long, "csv"), [
        ["Oslo", "1"],
        [3, `it is longer than ${maxLineBytes} bytes`],
        ["Lima", "2"]
      ])
      const broken = Buffer.concat([
        Buffer.from("city,temperature\n"),
        Buffer.from([0xff, 0x2c, 0x31, 0x0a]),
        Buffer.from("Lima,2\n")
      ])
      assert.deepStrictEqual(yield* parsedOf(broken, "csv"), [
        [2, "it is not valid UTF-8"],
        ["Lima", "2"]
      ])
    })
  )
})
