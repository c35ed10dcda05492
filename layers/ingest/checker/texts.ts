/** UUIDs and base64, strictly. Both functions take `text` from `from` up to `to` and return the canonical text, or undefined. */

/** 0 for a digit and for a letter in lower case, 1 for one in upper case, 2 for any other character. */
const hex = new Uint8Array(128).fill(2)
for (const digit of "0123456789abcdef") hex[digit.charCodeAt(0)] = 0
for (const digit of "ABCDEF") hex[digit.charCodeAt(0)] = 1

const kindOf = (text: string, from: number, to: number) => {
  let kind = 0
  for (let i = from; i < to; i++) kind |= hex[text.charCodeAt(i)] ?? 2
  return kind
}

/** 8-4-4-4-12 hexadecimal digits in any case; canonical in lower case. */
export const uuidOf = (text: string, from: number, to: number) => {
  if (to - from !== 36) return undefined
  const hyphens =
    text.charCodeAt(from + 8) === 0x2d &&
    text.charCodeAt(from + 13) === 0x2d &&
    text.charCodeAt(from + 18) === 0x2d &&
    text.charCodeAt(from + 23) === 0x2d
  if (!hyphens) return undefined
  const kind =
    kindOf(text, from, from + 8) |
    kindOf(text, from + 9, from + 13) |
    kindOf(text, from + 14, from + 18) |
    kindOf(text, from + 19, from + 23) |
    kindOf(text, from + 24, to)
  if (kind > 1) return undefined
  return kind === 0 ? text.slice(from, to) : text.slice(from, to).toLowerCase()
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
const sextets = new Int8Array(128).fill(-1)
for (let i = 0; i < alphabet.length; i++) sextets[alphabet.charCodeAt(i)] = i

/** RFC 4648, section 4, with padding; the bits that padding leaves over must be 0. */
export const base64Of = (text: string, from: number, to: number) => {
  if ((to - from) % 4 !== 0) return undefined
  let end = to
  while (end > from && to - end < 2 && text.charCodeAt(end - 1) === 0x3d) end--
  let last = 0
  for (let i = from; i < end; i++) {
    last = sextets[text.charCodeAt(i)] ?? -1
    if (last < 0) return undefined
  }
  const unused = to - end === 2 ? 0b1111 : to - end === 1 ? 0b11 : 0
  return (last & unused) === 0 ? text.slice(from, to) : undefined
}
