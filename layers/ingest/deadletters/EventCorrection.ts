/** The event to send for a dead letter of a stream with typed columns: as it is, or corrected. */
import { Result } from "effect"
import { type JsonNode, nodeOf, textOfNode } from "../checker/parseNode.ts"
import { type CorrectionLine, positionOf, textOf } from "./Correction.ts"

/** The event of a value as JSON in one line, or why there is none. */
export const eventOf = (value: Uint8Array | null): Result.Result<string, string> => {
  const text = value === null ? null : textOf(value)
  const node = text === null ? undefined : nodeOf(text)
  if (node === undefined) return Result.fail("its value is not valid JSON")
  return node.kind === "object" ? Result.succeed(textOfNode(node)) : Result.fail("its value is not an object")
}

const member = (node: JsonNode, name: string) =>
  node.kind === "object" ? node.members.find((one) => one.name === name)?.value : undefined

const form = 'it is not an object like {"position":"0/12","event":{…}}'

/** A line of a corrections file. The error is the end of a sentence. */
export const eventLine = (line: Uint8Array): Result.Result<CorrectionLine<string>, string> => {
  const text = textOf(line)
  if (text === null) return Result.fail("it is not valid UTF-8")
  // The limits of an event are those of one in a line as well; the line only adds a level.
  const node = nodeOf(text.trim())
  if (node === undefined) return Result.fail("it is not valid JSON")
  const place = member(node, "position")
  const event = member(node, "event")
  if (place?.kind !== "string" || event === undefined) return Result.fail(form)
  const position = positionOf(place.value)
  if (position === undefined) return Result.fail('its position is not of the form "0/12"')
  const reading =
    event.kind === "object" ? Result.succeed(textOfNode(event)) : Result.fail("its event is not an object")
  return Result.succeed({ position, reading })
}
