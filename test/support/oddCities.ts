/** City names from the corner cases of Unicode, taken from its standard rather than from the Schema that decodes them. */
import fc from "fast-check"

/** Byte order marks, non-characters, the boundaries of surrogates and planes, zero-width characters and direction marks. */
const odd = [
  ..."\ufeff\ufffe\uffff\ufffd\ud7ff\ue000\ufdd0\u2028\u2029\u200b\u200d\u200e\u200f\u202e\u2066\u00ad\u0300\u0130\u00df\u1e9e",
  ..."\u{10000}\u{1f327}\u{e0001}\u{e0100}\u{fffff}\u{10ffff}",
  "e\u0301",
  "\u0644\u0645",
  "👩‍👩‍👧"
]

const cut = "Llanfairpwllgwyn"

/** Each one alone (unless it is white space), first, in the middle, last, and around the 16th code point, where bounds are truncated. */
export const oddCities: ReadonlyArray<string> = odd.flatMap((one) => [
  ...(one.trim() === "" ? [] : [one]),
  `${one}a`,
  `a${one}b`,
  `a${one}`,
  `${one}${one}z`,
  ...[15, 16].map((length) => cut.slice(0, length) + one + cut),
  `z${one.repeat(40)}`
])

const unit = fc.oneof(
  fc.constantFrom(...odd),
  fc.constantFrom(..."aZ0 '~"),
  fc.string({ unit: "binary", maxLength: 1 })
)
const text = (minLength: number, maxLength: number) => fc.string({ unit, minLength, maxLength })

export const oddCity = fc
  .oneof(text(1, 4), text(14, 18), text(60, 80))
  .filter((city) => city.trim() !== "" && !/\p{Cc}/u.test(city) && city.isWellFormed())
