/** The limits that docs/processing.md states: keys, times, states. */
import { Schema } from "effect"
import { describe, expect, it } from "vitest"
import { given } from "../../layers/process/testing.ts"
import { Column, Processor, Stream, Window } from "../../streams/index.ts"

const Notes = Stream.make("notes", { schema: Schema.Struct({ id: Schema.String, at: Column.timestamptz }), key: "id" })
const Row = Stream.make("note_hours", {
  schema: Schema.Struct({ id: Schema.String, hour: Column.timestamptz, notes: Column.int })
})
const NoteHours = Processor.window("note_hours", {
  from: Notes,
  time: (e) => e.at,
  window: Window.tumbling("1 hour"),
  state: Schema.Struct({ n: Column.int }),
  zero: { n: 0 },
  add: (s) => ({ n: s.n + 1 }),
  to: Row,
  emit: (id, w, s) => ({ id, hour: w.start, notes: s.n })
})
const dead = (events: ReadonlyArray<object>) => given(NoteHours, events).dead.map(({ reason }) => reason)

describe("limits", () => {
  it("a key of a million characters is a dead letter", () => {
    const id = "k".repeat(1_000_000)
    expect(dead([{ id, at: "2026-11-27T10:00:00Z" }])).toEqual([
      "its key has 1,000,000 characters; at most 1,024 are possible"
    ])
    given(NoteHours, [
      { id: "k".repeat(1_024), at: "2026-11-27T10:00:00Z" },
      { id: "x", at: "2026-11-27T11:00:00Z" }
    ]).then([{ id: "k".repeat(1_024), hour: "2026-11-27T10:00:00Z", notes: 1 }])
  })

  it("an event without the column that is the stream's key is a dead letter", () => {
    const Visits = Stream.make("visits", {
      schema: Schema.Struct({ visitor: Schema.optionalKey(Schema.String), at: Column.timestamptz }),
      key: "visitor"
    })
    const Total = Stream.make("totals", { schema: Schema.Struct({ visitor: Schema.String, n: Column.int }) })
    const Totals = Processor.fold("totals", {
      from: Visits,
      state: Schema.Struct({ n: Column.int }),
      zero: { n: 0 },
      add: (s) => ({ n: s.n + 1 }),
      to: Total,
      emit: (visitor, s) => ({ visitor, n: s?.n ?? 0 })
    })
    const at = "2026-11-27T10:00:00Z"
    const { dead, rows } = given(Totals, [{ at }, { visitor: "a", at }])
    expect(dead.map(({ reason }) => reason)).toEqual(["it has no value in the key column visitor"])
    expect(rows).toEqual([{ visitor: "a", n: 1 }])
  })

  it("event times of 1900 and of 9999 count, up to where a window would leave the calendar", () => {
    given(NoteHours, [
      { id: "a", at: "1900-01-01T00:59:59.999Z" },
      { id: "a", at: "9999-12-31T22:59:59Z" }
    ]).then([{ id: "a", hour: "1900-01-01T00:00:00Z", notes: 1 }])
    expect(
      dead([
        { id: "a", at: "9999-12-31T23:59:59Z" },
        { id: "a", at: "0001-01-01T00:59:59Z" }
      ])
    ).toEqual([
      "its time 9999-12-31T23:59:59.000000Z is too close to the end of the calendar (years 0001 to 9999)",
      "its time 0001-01-01T00:59:59.000000Z is too close to the end of the calendar (years 0001 to 9999)"
    ])
  })

  it("a state of 10 MB stops the processor with a sentence", () => {
    const all = Processor.fold("all_notes", {
      from: Notes,
      state: Schema.Struct({ text: Schema.String }),
      zero: { text: "" },
      add: (s) => ({ text: `${s.text}${"x".repeat(1_000_000)}` }),
      to: Stream.make("all_notes", { schema: Schema.Struct({ id: Schema.String }) }),
      emit: () => undefined
    })
    const events = Array.from({ length: 10 }, () => ({ id: "a", at: "2026-11-27T10:00:00Z" }))
    expect(() => given(all, events)).toThrow(
      /^The processor all_notes stopped before notes\/0\/10, because a state does not fit its columns: it must be at most 1,048,576 bytes as JSON\. Its key is "a"\. Correct it/
    )
    const long = events.map((event) => ({ ...event, id: "k".repeat(1_024) }))
    expect(() => given(all, long)).toThrow(`Its key is "${"k".repeat(100)}…". Correct it`)
  })

  it("a state that does not fit stops the processor, also where its window is to be put aside", () => {
    const big = Processor.window("big_notes", {
      from: Notes,
      time: (e) => e.at,
      window: Window.tumbling("1 hour"),
      onError: "dead-letter",
      state: Schema.Struct({ text: Schema.String }),
      zero: { text: "" },
      add: () => ({ text: "x".repeat(2_000_000) }),
      to: Stream.make("big_notes", { schema: Schema.Struct({ text: Schema.String }) }),
      emit: (_, __, s) => s
    })
    const events = ["10", "11"].map((hour) => ({ id: "a", at: `2026-11-27T${hour}:00:00Z` }))
    expect(() => given(big, events)).toThrow(/^The processor big_notes stopped before notes\/0\/1, because a state/)
  })
})
