/** `--json`: output for programs. */
import { Stream } from "effect"
import { Flag } from "effect/cli"
import { print } from "./Output.ts"

export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON"),
  Flag.withDefault(false),
  Flag.withoutNegation
)

const replacer = (_: string, value: unknown) => (typeof value === "bigint" ? String(value) : value)

export const printJson = (value: unknown) => print(Stream.make(`${JSON.stringify(value, replacer, 2)}\n`))
