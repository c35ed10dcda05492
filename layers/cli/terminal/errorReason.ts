/** The first lines of a Java stack trace, which describe the failure, and its last cause. */
export const reasonOf = (trace: string | null) => {
  const lines = (trace ?? "").split("\n").filter((line) => line.trim() !== "" && !/^\s+(at|\.\.\.) /.test(line))
  return (lines.length > 4 ? [...lines.slice(0, 3), ...lines.slice(-1)] : lines).map((line) => `    ${line.trim()}`)
}
