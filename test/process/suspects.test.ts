import { expect, it } from "vitest"
import { Suspects } from "../../layers/process/Suspects.ts"

const minute = 60_000
const of = (processor: string) => ({ processor, at: "clicks/0/7", how: "exit code 1" })

it("a processor is stopped when it ends the process twice within 10 minutes, whatever others do meanwhile", () => {
  const suspects = new Suspects()
  expect(suspects.accuse(of("a"), 0).isStopped).toBe(false)
  expect(suspects.accuse(of("b"), minute).isStopped).toBe(false)
  expect(suspects.accuse(of("a"), 10 * minute).isStopped).toBe(false)
  expect(suspects.accuse(of("b"), 11 * minute - 1).isStopped).toBe(true)
  expect(suspects.accuse(of("a"), 19 * minute)).toEqual({
    isStopped: true,
    sentence:
      "The processor a stopped at clicks/0/7 or soon after: twice within 10 minutes its functions ended the process that runs all processors (exit code 1). Correct it and start again."
  })
})
