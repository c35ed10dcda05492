/** Wraps text to this width; lines after the first start with the indent. */
export const wrapText = (text: string, width: number, indent: string) => {
  const lines = [""]
  for (const word of text.split(" ")) {
    const last = lines.length - 1
    const extended = lines[last] === "" ? word : `${lines[last]} ${word}`
    if (indent.length + extended.length <= width || lines[last] === "") lines[last] = extended
    else lines.push(word)
  }
  return lines.join(`\n${indent}`)
}
