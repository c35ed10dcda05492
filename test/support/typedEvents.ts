/**
 * Streams and their events, made together: of each value what a client may send and what the log then has. The canonical
 * form comes from the value that was drawn (a count of microseconds, unscaled digits), never from the checker.
 */
import * as fc from "fast-check"
import type { Column, ColumnType, StreamDefinition } from "../../services/StreamDefinition.ts"

/** JSON as a client sends it, and as the log has it. */
interface Sent {
  readonly sent: string
  readonly canonical: string
}

interface TypedColumn {
  readonly type: ColumnType
  readonly value: fc.Arbitrary<Sent>
  /** JSON that this type refuses. */
  readonly wrong: fc.Arbitrary<string>
}

const each = <A, B>(arbitrary: fc.Arbitrary<A>, f: (value: A) => B) => arbitrary.map(f)

const same = (text: string): Sent => ({ sent: text, canonical: text })
const quoted = (text: string) => JSON.stringify(text)

const notString = fc.constantFrom("true", "1", "[]", "{}", '["a"]')
const notNumber = fc.constantFrom("true", '""', '"abc"', "[1]", "{}", '" 1"', '"0x10"', '"1_000"', '"NaN"')
const both = (...texts: ReadonlyArray<string>) => fc.constantFrom(...texts)

/** The string's characters as they are, or escaped. */
const jsonString = (text: string) =>
  fc.constantFrom(
    quoted(text),
    `"${[...Array(text.length).keys()].map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`).join("")}"`
  )

const anyText = fc.string({ unit: "grapheme", maxLength: 12 })
const string: TypedColumn = {
  type: { type: "string" },
  value: anyText.chain((text) => each(jsonString(text), (sent) => ({ sent, canonical: quoted(text) }))),
  wrong: fc.oneof(notString, both('"\\ud800"', '"a\\udc00b"'))
}

const boolean: TypedColumn = {
  type: { type: "boolean" },
  value: fc.boolean().map((value) => same(String(value))),
  wrong: both('"yes"', '"true"', "1", "0", '""', "[]")
}

/** An integer as digits, with a fraction of zeros, or with an exponent. */
const integerTexts = (digits: string) =>
  fc.constantFrom(digits, `${digits}.0`, `${digits}e0`, `${digits}.000E+0`, digits === "0" ? "0e9" : `${digits}0e-1`)

const int: TypedColumn = {
  type: { type: "int" },
  value: fc
    .oneof(fc.integer(), fc.constantFrom(0, -(2 ** 31), 2 ** 31 - 1))
    .chain((value) => each(integerTexts(String(value)), (sent) => ({ sent, canonical: String(value) }))),
  wrong: fc.oneof(
    notNumber,
    both("3000000000", "2147483648", "-2147483649", "1.9", "1e400", '"42"', "0.5", "2147483647.0000000001")
  )
}

const long: TypedColumn = {
  type: { type: "long" },
  value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).chain((value) =>
    each(fc.tuple(integerTexts(String(value)), fc.boolean()), ([text, isText]) => ({
      sent: isText ? `"${text}"` : text,
      canonical: `"${value}"`
    }))
  ),
  wrong: fc.oneof(
    notNumber,
    both(
      "9223372036854775808",
      '"9223372036854775808"',
      "-9223372036854775809",
      "1.5",
      '"1.5"',
      "1e400",
      '"+1"',
      '"01"'
    )
  )
}

const double: TypedColumn = {
  type: { type: "double" },
  value: fc
    .oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.constantFrom(1e21, 1e-7, 5e-324))
    .map((value) => ({
      sent: Object.is(value, -0) ? "-0.0" : JSON.stringify(value),
      canonical: JSON.stringify(value)
    })),
  wrong: fc.oneof(notNumber, both("1e400", "-1e309", "1e-400", '"1.5"', '"Infinity"'))
}

const float: TypedColumn = {
  type: { type: "float" },
  value: fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => {
    const text = JSON.stringify(value)
    return { sent: text, canonical: text }
  }),
  wrong: fc.oneof(notNumber, both("1e39", "-3.5e38", "1e400", "1e-60"))
}

const decimal = (precision: number, scale: number): TypedColumn => ({
  type: { type: `decimal(${precision},${scale})` },
  value: fc
    .tuple(fc.bigInt({ min: -(10n ** BigInt(precision)) + 1n, max: 10n ** BigInt(precision) - 1n }), fc.boolean())
    .chain(([unscaled, isText]) => {
      const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0")
      const point = digits.length - scale
      const text = `${unscaled < 0n ? "-" : ""}${digits.slice(0, point)}${scale === 0 ? "" : `.${digits.slice(point)}`}`
      const shorter = scale === 0 ? text : text.replace(/\.?0+$/, "")
      return each(fc.constantFrom(text, shorter, `${unscaled}e-${scale}`), (sent) => ({
        sent: isText ? `"${sent}"` : sent,
        canonical: `"${text}"`
      }))
    }),
  wrong: fc.oneof(
    notNumber,
    both(`1e${precision - scale}`, `"1${"0".repeat(precision - scale)}"`, `0.${"0".repeat(scale)}1`, "1e400", "1e-400")
  )
})

const pad = (value: number | bigint, width: number) => String(value).padStart(width, "0")

/** Days of the proleptic Gregorian calendar from 0001-01-01 to 9999-12-31, counted by the platform. */
const firstDay = -719_162
const lastDay = 2_932_896
const dayText = (day: number) => new Date(day * 86_400_000).toISOString().slice(0, 10)
const clockText = (micros: number) => {
  const seconds = Math.floor(micros / 1e6)
  return `${pad(Math.floor(seconds / 3600), 2)}:${pad(Math.floor(seconds / 60) % 60, 2)}:${pad(seconds % 60, 2)}.${pad(micros % 1e6, 6)}`
}
/** A time with all six digits, or without the zeros at its end. */
const clockTexts = (text: string) => fc.constantFrom(text, text.replace(/\.?0+$/, ""))

const day = fc.oneof(fc.integer({ min: firstDay, max: lastDay }), fc.constantFrom(firstDay, lastDay, 0, -1))
const micros = fc.oneof(fc.integer({ min: 0, max: 86_400_000_000 - 1 }), fc.constantFrom(0, 500_000, 86_399_999_999))

const date: TypedColumn = {
  type: { type: "date" },
  value: day.map((value) => same(quoted(dayText(value)))),
  wrong: fc.oneof(
    notString,
    both('"2026-02-30"', '"2026-13-01"', '"2026-1-1"', '"0000-01-01"', '"10000-01-01"', '"1900-02-29"', '"27 Nov 2026"')
  )
}

const time: TypedColumn = {
  type: { type: "time" },
  value: micros.chain((value) =>
    each(clockTexts(clockText(value)), (text) => ({ sent: quoted(text), canonical: quoted(clockText(value)) }))
  ),
  wrong: fc.oneof(
    notString,
    both('"24:00:00"', '"10:60:00"', '"10:11:60"', '"10:11"', '"10:11:12."', '"10:11:12.1234567"', '"10:11:12Z"')
  )
}

const timestamp: TypedColumn = {
  type: { type: "timestamp" },
  value: fc.tuple(day, micros).chain(([date, clock]) =>
    each(fc.tuple(clockTexts(clockText(clock)), fc.constantFrom("T", "t")), ([text, t]) => ({
      sent: quoted(`${dayText(date)}${t}${text}`),
      canonical: quoted(`${dayText(date)}T${clockText(clock)}`)
    }))
  ),
  wrong: fc.oneof(notString, both('"2026-11-27T10:11:12Z"', '"2026-02-30T10:11:12"', '"2026-11-27 10:11:12"'))
}

const offset = (minutes: number) => {
  const size = Math.abs(minutes)
  return `${minutes < 0 ? "-" : "+"}${pad(Math.floor(size / 60), 2)}:${pad(size % 60, 2)}`
}

const timestamptz: TypedColumn = {
  type: { type: "timestamptz" },
  value: fc
    .tuple(fc.integer({ min: firstDay + 1, max: lastDay - 1 }), micros, fc.integer({ min: -1439, max: 1439 }))
    .chain(([date, clock, minutes]) => {
      const local = new Date(date * 86_400_000 + Math.floor(clock / 60e6) * 60_000 + minutes * 60_000).toISOString()
      const seconds = clockText(clock).slice(6)
      const canonical = quoted(`${dayText(date)}T${clockText(clock)}Z`)
      return each(
        fc.oneof(
          clockTexts(`${local.slice(0, 17)}${seconds}`).map((text) => text + offset(minutes)),
          clockTexts(`${dayText(date)}T${clockText(clock)}`).map((text) => `${text}Z`),
          clockTexts(`${dayText(date)}t${clockText(clock)}`).map((text) => `${text}z`)
        ),
        (text) => ({ sent: quoted(text), canonical })
      )
    }),
  wrong: fc.oneof(
    notString,
    both(
      "1764238272",
      '"1764238272"',
      '"2026-02-30T10:11:12Z"',
      '"2026-11-27T10:11:12.1234567Z"',
      '"2026-11-27T10:11:12"',
      '"2026-11-27T10:11Z"',
      '"2026-11-27"',
      '"2026-11-27T10:11:12+24:00"',
      '"2026-11-27T10:11:12+0200"',
      '"0001-01-01T00:00:00+00:01"',
      '"9999-12-31T23:59:59-00:01"',
      '"0000-12-31T23:59:59Z"',
      '"+002026-11-27T10:11:12Z"'
    )
  )
}

const uuid: TypedColumn = {
  type: { type: "uuid" },
  value: fc
    .tuple(fc.uuid(), fc.boolean())
    .map(([text, isUpper]) => ({ sent: quoted(isUpper ? text.toUpperCase() : text), canonical: quoted(text) })),
  wrong: fc.oneof(
    notString,
    both(
      '"8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2"',
      '"8f14e45fceea467f9f0a5e8f3d6a1b2c"',
      '"8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2g"',
      '"{8f14e45f-ceea-467f-9f0a-5e8f3d6a1b2c}"',
      '"8f14e45f-ceea-467f-9f0a5-e8f3d6a1b2c"'
    )
  )
}

const binary: TypedColumn = {
  type: { type: "binary" },
  value: fc.uint8Array({ maxLength: 20 }).map((bytes) => same(quoted(Buffer.from(bytes).toString("base64")))),
  wrong: fc.oneof(notString, both('"aGVs bG8="', '"aGVsbG8"', '"a-b_"', '"%%%%"', '"aGVsbG9="', '"QR=="', '"="'))
}

export const primitives = {
  string,
  boolean,
  int,
  long,
  double,
  float,
  decimal12: decimal(12, 2),
  decimal38: decimal(38, 10),
  decimal5: decimal(5, 0),
  date,
  time,
  timestamp,
  timestamptz,
  uuid,
  binary
}

const nothing: Sent = { sent: "null", canonical: "null" }
const space = fc.constantFrom("", "", "", " ", "\n  ", "\t\r\n")

const list = (element: TypedColumn, nullable: boolean): TypedColumn => ({
  type: { type: "list", element: element.type, nullable },
  value: fc
    .tuple(fc.array(nullable ? fc.oneof(element.value, fc.constant(nothing)) : element.value, { maxLength: 4 }), space)
    .map(([values, gap]) => ({
      sent: `[${gap}${values.map(({ sent }) => sent).join(`${gap},${gap}`)}${gap}]`,
      canonical: `[${values.map(({ canonical }) => canonical).join(",")}]`
    })),
  wrong: fc.oneof(
    both('"a"', "1", "{}", "true"),
    element.wrong.map((wrong) => `[${wrong}]`),
    nullable ? fc.constant("{}") : fc.constant("[null]")
  )
})

/** In the order of UTF-16 code units. */
const byName = <A>(left: readonly [string, A], right: readonly [string, A]) =>
  left[0] < right[0] ? -1 : left[0] > right[0] ? 1 : 0

const map = (value: TypedColumn, nullable: boolean): TypedColumn => ({
  type: { type: "map", value: value.type, nullable },
  value: fc
    .uniqueArray(fc.tuple(anyText, nullable ? fc.oneof(value.value, fc.constant(nothing)) : value.value), {
      maxLength: 4,
      selector: ([name]) => name
    })
    .filter((entries) => entries.every(([name]) => name !== "__proto__"))
    .map((entries) => ({
      sent: `{${entries.map(([name, { sent }]) => `${quoted(name)}:${sent}`).join(",")}}`,
      canonical: `{${[...entries]
        .sort(byName)
        .map(([name, { canonical }]) => `${quoted(name)}:${canonical}`)
        .join(",")}}`
    })),
  wrong: fc.oneof(
    both('"a"', "1", "[]"),
    value.wrong.map((wrong) => `{"a":${wrong}}`),
    fc.tuple(value.value, value.value).map(([a, b]) => `{"a":${a.sent},"a":${b.sent}}`),
    value.value.map(({ sent }) => `{"__proto__":${sent}}`)
  )
})

const columnNames = [
  "id",
  "at",
  "with space",
  "naïve",
  'quote"d',
  "back\\slash",
  "x",
  "constructor",
  "toString",
  "1",
  "emoji😀"
]

interface TypedStruct {
  readonly columns: ReadonlyArray<Column>
  readonly event: fc.Arbitrary<Sent>
  readonly wrong: fc.Arbitrary<string>
}

interface Field extends TypedColumn {
  readonly name: string
  readonly required: boolean
}

/** The name as it is, or with its first character escaped. */
const nameTexts = (name: string) =>
  fc.constantFrom(
    quoted(name),
    quoted(name),
    quoted(name),
    `"\\u${name.charCodeAt(0).toString(16).padStart(4, "0")}${quoted(name.slice(1)).slice(1)}`
  )

const structOf = (fields: ReadonlyArray<Field>): TypedStruct => {
  const columns = fields.map(({ name, required, type }): Column => ({ name, required, ...type }))
  const members = (from: ReadonlyArray<Field>) =>
    fc.tuple(
      ...from.map(({ name, required, value }) =>
        fc.tuple(
          nameTexts(name),
          required
            ? value
            : fc.oneof(
                { weight: 3, arbitrary: value },
                fc.constantFrom(undefined, { sent: "null", canonical: undefined })
              )
        )
      )
    )
  const object = (sent: ReadonlyArray<string>) =>
    fc
      .tuple(fc.shuffledSubarray([...sent], { minLength: sent.length }), fc.boolean(), space)
      .map(([shuffled, isShuffled, gap]) => `{${gap}${(isShuffled ? shuffled : sent).join(`${gap},${gap}`)}${gap}}`)
  const event = members(fields).chain((values) => {
    const canonical = fields.flatMap(({ name }, i) => {
      const value = values[i]?.[1]?.canonical
      return value === undefined ? [] : [`${quoted(name)}:${value}`]
    })
    const sent = values.flatMap(([name, value]) => (value === undefined ? [] : [`${name}:${value.sent}`]))
    return object(sent).map((text) => ({ sent: text, canonical: `{${canonical.join(",")}}` }))
  })
  const good = members(fields).map((values) =>
    values.map(([, value], i) => (value === undefined ? undefined : `${quoted(fields[i]?.name ?? "")}:${value.sent}`))
  )
  const wrong = fc.tuple(good, fc.nat(fields.length - 1)).chain(([texts, at]) => {
    const field = fields[at]
    if (field === undefined) return fc.constant("[]")
    const given = texts.filter((text) => text !== undefined)
    const others = texts.filter((text, i) => text !== undefined && i !== at)
    const broken = [
      field.wrong.map((value) => [...others, `${quoted(field.name)}:${value}`]),
      field.value.map(({ sent }) => [...others, `${quoted(field.name)}:${sent}`, `${quoted(field.name)}:${sent}`]),
      fc.constantFrom("unknown", "__proto__", "ID").map((name) => [...given, `"${name}":1`])
    ]
    if (field.required) broken.push(fc.constantFrom(others, [...others, `${quoted(field.name)}:null`]))
    return fc.oneof(...broken).chain((texts) => object(texts.filter((text) => text !== undefined)))
  })
  return { columns, event, wrong }
}

const struct = (fields: ReadonlyArray<Field>): TypedColumn => {
  const { columns, event, wrong } = structOf(fields)
  return {
    type: { type: "struct", fields: columns },
    value: event,
    wrong: fc.oneof({ weight: 3, arbitrary: wrong }, both('"a"', "1", "[]"))
  }
}

const typed = (depth: number): fc.Arbitrary<TypedColumn> => {
  const primitive = fc.constantFrom(...Object.values(primitives))
  if (depth === 0) return primitive
  const inner = typed(depth - 1)
  return fc.oneof(
    { weight: 4, arbitrary: primitive },
    { weight: 1, arbitrary: fc.tuple(inner, fc.boolean()).map(([element, nullable]) => list(element, nullable)) },
    { weight: 1, arbitrary: fc.tuple(inner, fc.boolean()).map(([value, nullable]) => map(value, nullable)) },
    { weight: 1, arbitrary: fieldsOf(depth - 1).map(struct) }
  )
}

const fieldsOf = (depth: number) =>
  fc
    .uniqueArray(fc.tuple(fc.constantFrom(...columnNames), fc.boolean(), typed(depth)), {
      minLength: 1,
      maxLength: 6,
      selector: ([name]) => name
    })
    .map((fields) => fields.map(([name, required, column]): Field => ({ name, required, ...column })))

/** The columns of a stream with its events and with events that it refuses. */
export const typedStream = fieldsOf(2).map(structOf)

export const definitionOf = (columns: ReadonlyArray<Column>): StreamDefinition => ({
  name: "readings",
  columns,
  key: null,
  partitionBy: []
})
