/** Finds the value of the key column in a canonical event: an object without white space, its columns in order. */

const quote = 0x22
const backslash = 0x5c

/** The index after a string that begins at `from`. */
const afterString = (text: string, from: number) => {
  let end = text.indexOf('"', from + 1)
  for (;;) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === backslash) slashes++
    if (slashes % 2 === 0 || end < 0) return end < 0 ? text.length : end + 1
    end = text.indexOf('"', end + 1)
  }
}

/** The index after a value that begins at `from`. */
const afterValue = (text: string, from: number) => {
  let depth = 0
  let at = from
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      at = afterString(text, at)
      if (depth === 0) return at
      continue
    }
    // { [
    if (code === 0x7b || code === 0x5b) depth++
    // } ]
    else if (code === 0x7d || code === 0x5d) {
      if (depth === 0) return at
      if (--depth === 0) return at + 1
    } else if (code === 0x2c && depth === 0) return at
    at++
  }
  return at
}

const contentOf = (text: string, from: number) => {
  const end = afterValue(text, from)
  if (text.charCodeAt(from) !== quote) return text.slice(from, end)
  const raw = text.slice(from + 1, end - 1)
  return raw.includes("\\") ? String(JSON.parse(text.slice(from, end))) : raw
}

/** The client takes a string for the bytes up to its first NUL. */
const bytesOf = (value: string) => (value.includes("\0") ? Buffer.from(value) : value)

/** A function from an event to its message key: the value of the column as text, null where it has none. */
export const keyReader = (column: string | null): ((event: string) => Buffer | string | null) => {
  if (column === null) return () => null
  const first = `{"${column}":`
  return (event) => {
    if (event.startsWith(first)) return bytesOf(contentOf(event, first.length))
    let at = 1
    while (event.charCodeAt(at) === quote) {
      const nameEnd = event.indexOf('"', at + 1)
      const from = nameEnd + 2
      if (nameEnd - at - 1 === column.length && event.startsWith(column, at + 1)) return bytesOf(contentOf(event, from))
      at = afterValue(event, from) + 1
    }
    return null
  }
}
