/** Readings for property tests, made from the rules of the API and not from the Schema that decodes them. */
import fc from "fast-check"

const isControl = (point: number) => point < 0x20 || (point >= 0x7f && point <= 0x9f)
/** U+FEFF is white space to JavaScript and not to Unicode: left out of what decides whether a city is blank. */
const isBlank = (text: string) => /^[\p{White_Space}\ufeff]*$/u.test(text)
const points = (text: string) => [...text].length

const point = fc
  .oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0x20, max: 0x17f }) },
    { weight: 2, arbitrary: fc.integer({ min: 0x180, max: 0xd7ff }) },
    { weight: 2, arbitrary: fc.integer({ min: 0xe000, max: 0x10ffff }) },
    { weight: 1, arbitrary: fc.constantFrom(0x20, 0x22, 0x25, 0x26, 0x2b, 0x2f, 0x3d, 0x5c, 0x200f, 0xfeff, 0xfffd) }
  )
  .filter((code) => !isControl(code))
  .map((code) => String.fromCodePoint(code))

const text = (minLength: number, maxLength: number) => fc.string({ unit: point, minLength, maxLength })

/** 1–256 code points, no control characters, not only white space. */
export const validCity = fc
  .oneof(text(1, 40), text(250, 256))
  .filter((city) => !isBlank(city) && points(city) >= 1 && points(city) <= 256)

const control = fc
  .oneof(fc.integer({ min: 0, max: 0x1f }), fc.integer({ min: 0x7f, max: 0x9f }))
  .map((code) => String.fromCodePoint(code))

export const invalidCity = fc.oneof(
  fc.constant(""),
  fc.tuple(text(0, 20), control, text(0, 20)).map((parts) => parts.join("")),
  text(257, 300).filter((city) => points(city) > 256),
  fc.string({ unit: fc.constantFrom(" ", "\u00a0", "\u2003", "\u3000"), minLength: 1, maxLength: 20 })
)

const digits = (maxLength: number) => fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 1, maxLength })

/** A sign, digits, a fraction, an exponent; at most 32 characters, finite. */
export const validTemperature = fc
  .tuple(
    fc.constantFrom("", "-"),
    digits(12),
    fc.option(digits(10), { nil: undefined }),
    fc.option(fc.tuple(fc.constantFrom("e", "E"), fc.constantFrom("", "+", "-"), digits(2)), { nil: undefined })
  )
  .map(
    ([sign, whole, fraction, exponent]) =>
      `${sign}${whole}${fraction === undefined ? "" : `.${fraction}`}${exponent === undefined ? "" : exponent.join("")}`
  )
  .filter((temperature) => temperature.length <= 32)

/** Whether a text is a number of that form, by reading it character by character. */
const isNumber = (text: string) => {
  let at = text.startsWith("-") ? 1 : 0
  const run = () => {
    const start = at
    while (at < text.length && "0123456789".includes(text.charAt(at))) at++
    return at > start
  }
  if (!run()) return false
  if (text[at] === ".") {
    at++
    if (!run()) return false
  }
  if (text[at] === "e" || text[at] === "E") {
    at++
    if (text[at] === "+" || text[at] === "-") at++
    if (!run()) return false
  }
  return at === text.length
}

export const invalidTemperature = fc.oneof(
  text(0, 20).filter((temperature) => !isNumber(temperature)),
  fc
    .string({ unit: fc.constantFrom(..."0123456789.eE+- "), maxLength: 12 })
    .filter((temperature) => !isNumber(temperature)),
  fc
    .tuple(validTemperature, fc.constantFrom(" ", "\n", "\u0000", "f", "_0", ".", "e"))
    .map((parts) => parts.join(""))
    .filter((temperature) => !isNumber(temperature)),
  digits(1).map((digit) => `1${digit.repeat(32)}`),
  fc.integer({ min: 309, max: 9_999 }).map((exponent) => `1e${exponent}`)
)
