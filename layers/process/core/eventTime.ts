/** Event time: canonical texts as milliseconds since 1970 and back. */
import { toMillis } from "../../../streams/Column.ts"

let day = ""
let dayMillis = 0

/** Two digits as a number; NaN if they are none. */
const digits = (text: string, at: number) => {
  const tens = text.charCodeAt(at) - 48
  const ones = text.charCodeAt(at + 1) - 48
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

/** Of a timestamp or timestamptz with 6 digits, what comes after the date; NaN if it is not canonical. */
const sinceMidnight = (text: string) => {
  const isZoned = text.length === 27 && text.charCodeAt(26) === 90
  if (!isZoned && text.length !== 26) return Number.NaN
  if (text.charCodeAt(10) !== 84 || text.charCodeAt(13) !== 58) return Number.NaN
  if (text.charCodeAt(16) !== 58 || text.charCodeAt(19) !== 46) return Number.NaN
  const hour = digits(text, 11)
  const minute = digits(text, 14)
  const second = digits(text, 17)
  if (hour > 23 || minute > 59 || second > 59) return Number.NaN
  const micros = digits(text, 20) * 10_000 + digits(text, 22) * 100 + digits(text, 24)
  return hour * 3_600_000 + minute * 60_000 + second * 1_000 + Math.floor(micros / 1_000)
}

/**
 * As `Column.toMillis`; of a timestamp or timestamptz with 6 digits, as streams have them, without Date.parse. The day is
 * kept, as the next event is mostly of the same one.
 */
export const millisOf = (text: string): number => {
  const rest = sinceMidnight(text)
  if (Number.isNaN(rest)) return toMillis(text)
  if (day === "" || !text.startsWith(day)) {
    dayMillis = toMillis(text.slice(0, 10))
    day = text.slice(0, 10)
  }
  return dayMillis + rest
}

const two = Array.from({ length: 60 }, (_, n) => String(n).padStart(2, "0"))
const three = Array.from({ length: 1_000 }, (_, n) => String(n).padStart(3, "0"))
let hour = Number.NaN
let hourText = ""

/** Canonical timestamptz of whole milliseconds in the years 0001 to 9999. The hour is kept, as with `millisOf` the day. */
export const timeText = (millis: number) => {
  const whole = Math.floor(millis / 3_600_000)
  if (whole !== hour) {
    hourText = new Date(whole * 3_600_000).toISOString().slice(0, 14)
    hour = whole
  }
  const rest = millis - whole * 3_600_000
  const minute = Math.floor(rest / 60_000)
  const second = Math.floor((rest - minute * 60_000) / 1_000)
  return `${hourText}${two[minute]}:${two[second]}.${three[rest % 1_000]}000Z`
}

/** The first and the last millisecond that a timestamptz can hold. */
export const firstTime = -62_135_596_800_000
export const lastTime = 253_402_300_799_999
