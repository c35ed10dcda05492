/** Numbers by the digits of their text: JSON.parse would round them first. All functions take `text` from `from` up to `to`. */

const isDigit = (code: number) => code >= 0x30 && code <= 0x39

/** The end of the JSON number that begins at `at`; -1 if none begins there. */
export const numberEnd = (text: string, at: number) => {
  let i = text.charCodeAt(at) === 0x2d ? at + 1 : at
  const leading = i
  while (isDigit(text.charCodeAt(i))) i++
  if (i === leading || (i > leading + 1 && text.charCodeAt(leading) === 0x30)) return -1
  if (text.charCodeAt(i) === 0x2e) {
    const fraction = ++i
    while (isDigit(text.charCodeAt(i))) i++
    if (i === fraction) return -1
  }
  if ((text.charCodeAt(i) | 0x20) === 0x65) {
    const sign = text.charCodeAt(++i)
    if (sign === 0x2b || sign === 0x2d) i++
    const exponent = i
    while (isDigit(text.charCodeAt(i))) i++
    if (i === exponent) return -1
  }
  return i
}

/** ±digits × 10^exponent; the digits have no zeros at their ends, and are empty for 0. */
export interface ExactNumber {
  readonly negative: boolean
  readonly digits: string
  readonly exponent: number
}

/** `text` must hold a JSON number from `from` to `to`. */
export const exactOf = (text: string, from: number, to: number): ExactNumber => {
  const source = text.slice(from, to)
  const negative = source.startsWith("-")
  const e = source.search(/[eE]/)
  const mantissa = source.slice(negative ? 1 : 0, e === -1 ? undefined : e)
  const point = mantissa.indexOf(".")
  const all = point === -1 ? mantissa : mantissa.slice(0, point) + mantissa.slice(point + 1)
  const decimals = point === -1 ? 0 : mantissa.length - point - 1
  let first = 0
  while (first < all.length && all.charCodeAt(first) === 0x30) first++
  let last = all.length
  while (last > first && all.charCodeAt(last - 1) === 0x30) last--
  const digits = all.slice(first, last)
  if (digits === "") return { negative: false, digits, exponent: 0 }
  const exponent = (e === -1 ? 0 : Number(source.slice(e + 1))) - decimals + all.length - last
  return { negative, digits, exponent }
}

/** With exactly `scale` digits after the point; undefined if it has more of them, or more than `whole` before the point. */
const fixedOf = ({ negative, digits, exponent }: ExactNumber, whole: number, scale: number) => {
  if (exponent < -scale || digits.length + exponent > whole) return undefined
  const unscaled = (digits === "" ? "" : digits + "0".repeat(exponent + scale)).padStart(scale + 1, "0")
  const point = unscaled.length - scale
  const text = scale === 0 ? unscaled : `${unscaled.slice(0, point)}.${unscaled.slice(point)}`
  return negative ? `-${text}` : text
}

/** The number of digits of a plain integer without needless signs or zeros; 0 for any other text. */
const plainDigits = (text: string, from: number, to: number) => {
  const start = text.charCodeAt(from) === 0x2d ? from + 1 : from
  const length = to - start
  const first = text.charCodeAt(start)
  if (length <= 0 || (first === 0x30 && (length > 1 || start > from))) return 0
  for (let i = start; i < to; i++) if (!isDigit(text.charCodeAt(i))) return 0
  return length
}

const int64 = { positive: "9223372036854775807", negative: "-9223372036854775808" }

/** A 64-bit integer in plain digits; undefined if it is none exactly. */
export const longOf = (text: string, from: number, to: number) => {
  const length = plainDigits(text, from, to)
  if (length > 0 && length < 19) return text.slice(from, to)
  if (numberEnd(text, from) !== to) return undefined
  const fixed = fixedOf(exactOf(text, from, to), 19, 0)
  if (fixed === undefined) return undefined
  const limit = fixed.startsWith("-") ? int64.negative : int64.positive
  return fixed.length < limit.length || fixed <= limit ? fixed : undefined
}

/** A 32-bit integer in plain digits; undefined if it is none exactly. */
export const intOf = (text: string, from: number, to: number) => {
  const length = plainDigits(text, from, to)
  const fixed = length > 0 && length < 10 ? text.slice(from, to) : longOf(text, from, to)
  if (fixed === undefined || fixed.length < 10) return fixed
  const value = Number(fixed)
  return value >= -(2 ** 31) && value < 2 ** 31 ? fixed : undefined
}

/** The digits after the point of a plain decimal that has at most `whole` digits before it; -1 for any other text. */
const plainDecimals = (text: string, from: number, to: number, whole: number) => {
  const isNegative = text.charCodeAt(from) === 0x2d
  const start = isNegative ? from + 1 : from
  let i = start
  while (i < to && isDigit(text.charCodeAt(i))) i++
  const isBelowOne = text.charCodeAt(start) === 0x30
  if (i === start || i - start > Math.max(1, whole) || (isBelowOne && (isNegative || i > start + 1))) return -1
  if (!isBelowOne && whole === 0) return -1
  if (i === to) return 0
  if (text.charCodeAt(i) !== 0x2e || i + 1 === to) return -1
  const point = i++
  while (i < to && isDigit(text.charCodeAt(i))) i++
  return i === to ? to - point - 1 : -1
}

/** A decimal with exactly `scale` digits after the point; undefined if it does not fit. */
export const decimalOf = (precision: number, scale: number) => {
  const missing = Array.from({ length: scale + 1 }, (_, decimals) => {
    return `${decimals === 0 && scale > 0 ? "." : ""}${"0".repeat(scale - decimals)}`
  })
  const whole = precision - scale
  return (text: string, from: number, to: number) => {
    const decimals = plainDecimals(text, from, to, whole)
    if (decimals >= 0 && decimals <= scale) return text.slice(from, to) + missing[decimals]
    return numberEnd(text, from) === to ? fixedOf(exactOf(text, from, to), whole, scale) : undefined
  }
}

/** Whether ECMAScript writes the number as it stands here: at most 15 digits, no exponent, no needless zeros. */
const isShortest = (text: string, from: number, to: number) => {
  const start = text.charCodeAt(from) === 0x2d ? from + 1 : from
  if (to - start > 16) return false
  let point = -1
  for (let i = start; i < to; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x2e) point = i
    else if (!isDigit(code)) return false
  }
  if (point === -1) return to - start <= 15 && (start === from || text.charCodeAt(start) !== 0x30)
  if (text.charCodeAt(to - 1) === 0x30) return false
  // Below 0.000001 an exponent is written.
  return text.charCodeAt(start) !== 0x30 || to - point <= 7
}

const isZero = (text: string, from: number, to: number) => exactOf(text, from, to).digits === ""

const written = (value: number, text: string, from: number, to: number) => {
  if (!Number.isFinite(value)) return undefined
  if (value !== 0) return String(value)
  return isZero(text, from, to) ? "0" : undefined
}

/** The nearest double as ECMAScript writes it; undefined if it is infinite, or 0 for a number that is not 0. */
export const doubleOf = (text: string, from: number, to: number) =>
  isShortest(text, from, to) ? text.slice(from, to) : written(Number(text.slice(from, to)), text, from, to)

/** Like {@link doubleOf}, for the nearest 32-bit float. */
export const floatOf = (text: string, from: number, to: number) =>
  written(Math.fround(Number(text.slice(from, to))), text, from, to)
