/** Splits SQL text into statements. */

/** A string, quoted name or comment, which may be unterminated, or text between them. */
const token = /'[^']*(?:'|$)|"[^"]*(?:"|$)|--[^\n]*(?:\n|$)|\/\*[\s\S]*?(?:\*\/|$)|[^'"/;-]+|[/;-]/g

/** Statements that end with a semicolon, without it, and the text after the last one. */
export const split = (text: string) => {
  const statements: Array<string> = []
  let rest = ""
  for (const [part] of text.matchAll(token)) {
    if (part !== ";") rest += part
    else {
      if (rest.trim() !== "") statements.push(rest.trim())
      rest = ""
    }
  }
  return { statements, rest: rest.trim() === "" ? "" : rest }
}
