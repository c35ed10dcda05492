/** Dates and times, strictly. All functions take `text` from `from` up to `to` and return the canonical text, or undefined. */

const two = (text: string, at: number) => {
  const a = text.charCodeAt(at) - 0x30
  const b = text.charCodeAt(at + 1) - 0x30
  return a >= 0 && a <= 9 && b >= 0 && b <= 9 ? a * 10 + b : -1
}

const daysIn = (year: number, month: number) => {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** YYYY-MM-DD of the years 0001 to 9999. */
const isDate = (text: string, at: number) => {
  const century = two(text, at)
  const rest = two(text, at + 2)
  const month = two(text, at + 5)
  const day = two(text, at + 8)
  if (century < 0 || rest < 0 || text.charCodeAt(at + 4) !== 0x2d || text.charCodeAt(at + 7) !== 0x2d) return false
  const year = century * 100 + rest
  return year > 0 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month)
}

/** HH:MM:SS. */
const isClock = (text: string, at: number) => {
  const hour = two(text, at)
  const minute = two(text, at + 3)
  const second = two(text, at + 6)
  if (text.charCodeAt(at + 2) !== 0x3a || text.charCodeAt(at + 5) !== 0x3a) return false
  return hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60
}

const zeros = ["000000", "00000", "0000", "000", "00", "0", ""]

/** What is missing to six digits of a second, with the point; `from` is after HH:MM:SS. */
const fractionMissing = (text: string, from: number, to: number) => {
  if (from === to) return ".000000"
  if (text.charCodeAt(from) !== 0x2e || to === from + 1) return undefined
  for (let i = from + 1; i < to; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x30 || code > 0x39) return undefined
  }
  return zeros[to - from - 1]
}

export const dateOf = (text: string, from: number, to: number) =>
  to - from === 10 && isDate(text, from) ? text.slice(from, to) : undefined

/** HH:MM:SS with up to six digits of a second; canonical with six. */
export const timeOf = (text: string, from: number, to: number) => {
  if (to - from < 8 || !isClock(text, from)) return undefined
  const missing = fractionMissing(text, from + 8, to)
  return missing === undefined ? undefined : text.slice(from, to) + missing
}

/** A date, T and a time, without a zone. */
export const timestampOf = (text: string, from: number, to: number) => {
  if (to - from < 19 || !isDate(text, from) || !isClock(text, from + 11)) return undefined
  const missing = fractionMissing(text, from + 19, to)
  if (missing === undefined) return undefined
  const t = text.charCodeAt(from + 10)
  if (t === 0x54) return text.slice(from, to) + missing
  return t === 0x74 ? `${text.slice(from, from + 10)}T${text.slice(from + 11, to)}${missing}` : undefined
}

/** The same moment in UTC; undefined outside the years 0001 to 9999. `local` is canonical. */
const shifted = (local: string, minutes: number) => {
  const date = new Date(0)
  date.setUTCFullYear(Number(local.slice(0, 4)), Number(local.slice(5, 7)) - 1, Number(local.slice(8, 10)))
  date.setUTCHours(Number(local.slice(11, 13)), Number(local.slice(14, 16)) - minutes)
  const year = date.getUTCFullYear()
  return year < 1 || year > 9999 ? undefined : date.toISOString().slice(0, 16) + local.slice(16)
}

/** RFC 3339 with a zone: Z, or an offset from -23:59 to +23:59. Canonical in UTC, with Z. */
export const timestamptzOf = (text: string, from: number, to: number) => {
  if ((text.charCodeAt(to - 1) | 0x20) === 0x7a) {
    const local = timestampOf(text, from, to - 1)
    return local === undefined ? undefined : `${local}Z`
  }
  const sign = text.charCodeAt(to - 6)
  const hours = two(text, to - 5)
  const minutes = two(text, to - 2)
  if ((sign !== 0x2b && sign !== 0x2d) || text.charCodeAt(to - 3) !== 0x3a) return undefined
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return undefined
  const local = timestampOf(text, from, to - 6)
  if (local === undefined) return undefined
  const utc = shifted(local, (hours * 60 + minutes) * (sign === 0x2b ? 1 : -1))
  return utc === undefined ? undefined : `${utc}Z`
}
