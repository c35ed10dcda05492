/** Where one SQL statement ends and the next begins. */

/** From here to its end: a text, a name in quotes, a comment; the last of its kind may be open. */
const whole = /'[^']*(?:'|$)|"[^"]*(?:"|$)|--[^\n]*(?:\n|$)|\/\*[\s\S]*?(?:\*\/|$)|[^'"/;-]+|[/;-]/g

/** The statements that a semicolon ends, without it, and what is behind the last one. */
export const split = (text: string) => {
  const statements: Array<string> = []
  let rest = ""
  for (const [part] of text.matchAll(whole)) {
    if (part !== ";") rest += part
    else {
      if (rest.trim() !== "") statements.push(rest.trim())
      rest = ""
    }
  }
  return { statements, rest: rest.trim() === "" ? "" : rest }
}
