import { assert, describe, it } from "@effect/vitest"
import { whenReading, whenWriting } from "../../../layers/log/sqlite/logFailures.ts"

const failing = (fields: object) => Object.assign(new Error("it failed"), fields)
const full = "The event log is unavailable (append): the disk is full; free some space, and it resumes by itself."

describe("a failure to write", () => {
  for (const [name, cause, tag, message] of [
    ["SQLITE_FULL", failing({ errcode: 13 }), "DiskFull", full],
    ["no room for the WAL's index", failing({ errcode: 4874 }), "DiskFull", full],
    ["ENOSPC", failing({ code: "ENOSPC" }), "DiskFull", full],
    [
      "SQLITE_IOERR",
      failing({ errcode: 10 }),
      "LogUnusable",
      "The event log is unavailable (append): reading or writing its file failed (disk I/O error); check the disk."
    ],
    [
      "damage",
      failing({ errcode: 11 }),
      "LogUnusable",
      "The event log is unavailable (append): its file is damaged (it failed); stop the server and restore the log."
    ]
  ] as const) {
    it(`given ${name}, it is ${tag}`, () => {
      const error = whenWriting("append", cause)
      assert.deepStrictEqual([error.reason._tag, error.message], [tag, message])
    })
  }
})

it("a full disk met while reading is the same reason, and damage is not", () => {
  const full = whenReading("read", { partition: 0, offset: 3 }, failing({ errcode: 13 }))
  assert(full._tag === "LogUnavailable")
  assert.strictEqual(full.reason._tag, "DiskFull")
  assert.strictEqual(whenReading("read", { partition: 0, offset: 3 }, failing({ errcode: 11 }))._tag, "LogCorrupt")
})
