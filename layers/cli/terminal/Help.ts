/** Help output, wrapped to 80 columns on a terminal. */
import { stripVTControlCharacters } from "node:util"
import { Effect, Layer, Stdio } from "effect"
import { CliConfig, CliOutput, GlobalFlag, TerminalCapabilities } from "effect/cli"

const width = 80

const widthOf = (text: string) => stripVTControlCharacters(text).length

const hangingIndent = (line: string) => {
  const plain = stripVTControlCharacters(line)
  return (/^ +\S+(?: \S+)* {2,}(?=\S)/.exec(plain) ?? /^ */.exec(plain))?.[0].length ?? 0
}

const wrap = (line: string) => {
  if (widthOf(line) <= width) return line
  const hang = hangingIndent(line)
  const indent = " ".repeat(hang)
  const lines = [""]
  for (const word of line.split(/(?<=\S)(?= )/)) {
    const last = lines.length - 1
    const extended = `${lines[last]}${word}`
    if (widthOf(extended) <= width || widthOf(lines[last] ?? "") <= hang) lines[last] = extended
    else lines.push(`${indent}${word.trimStart()}`)
  }
  return lines.join("\n")
}

/** Wraps help text, except for example commands. */
export const wrapHelp = (help: string) => {
  const lines = help.split("\n")
  const examples = lines.findIndex((line) => stripVTControlCharacters(line).startsWith("EXAMPLES"))
  return lines.map((line, i) => (examples >= 0 && i >= examples ? line : wrap(line))).join("\n")
}

const formatter = Effect.gen(function* () {
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const plain = CliOutput.defaultFormatter({ colors: canColor })
  if (!(yield* (yield* Stdio.Stdio).stdoutIsTerminal)) return CliOutput.layer(plain)
  return CliOutput.layer({ ...plain, formatHelpDoc: (doc) => wrapHelp(plain.formatHelpDoc(doc)) })
})

export const layer = Layer.merge(
  Layer.unwrap(formatter),
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version] })
)
