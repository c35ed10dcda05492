import { expect, it } from "vitest"
import { deadLettersOf, stateTopicOf } from "../../../services/Topics.ts"

it("a processor's topics have names that no stream can have", () => {
  for (const name of [stateTopicOf("hourly_mean"), deadLettersOf("hourly_mean")]) {
    expect(name).not.toMatch(/^[a-z][a-z0-9_]*$/)
  }
  expect(stateTopicOf("hourly_mean")).toBe("hourly_mean-state")
})
