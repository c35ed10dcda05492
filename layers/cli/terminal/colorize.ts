/** Colours, on a terminal that supports them and unless NO_COLOR is set. */
import { styleText } from "node:util"
import { Effect } from "effect"
import { TerminalCapabilities } from "effect/cli"

type Style = Parameters<typeof styleText>[0]

export type Colorize = (style: Style, text: string) => string

export const colorize = Effect.map(
  TerminalCapabilities.TerminalCapabilities,
  ({ canColor }): Colorize =>
    (style, text) =>
      canColor ? styleText(style, text, { validateStream: false }) : text
)
