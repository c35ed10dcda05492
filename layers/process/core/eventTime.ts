/** Event time: canonical texts as milliseconds since 1970 and back. */
import { toMillis } from "../../../streams/Column.ts"

let day = ""
let dayMillis = 0

const digits = (text: string, at: number) => (text.charCodeAt(at) - 48) * 10 + text.charCodeAt(at + 1) - 48

/**
 * As `Column.toMillis`; of a timestamp or timestamptz with 6 digits, as streams have them, without Date.parse. The day is
 * kept, as the next event is mostly of the same one.
 */
export const millisOf = (text: string): number => {
  if ((text.length !== 27 && text.length !== 26) || text.charCodeAt(19) !== 46) return toMillis(text)
  if (!text.startsWith(day) || day === "") {
    const millis = toMillis(text)
    day = text.slice(0, 10)
    dayMillis = toMillis(day)
    return millis
  }
  const millis =
    digits(text, 11) * 3_600_000 +
    digits(text, 14) * 60_000 +
    digits(text, 17) * 1_000 +
    (text.charCodeAt(20) - 48) * 100 +
    digits(text, 21)
  return millis >= 0 && millis < 86_400_000 ? dayMillis + millis : toMillis(text)
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
