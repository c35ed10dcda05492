/** What users write with `floe/testing`, and what it notices. Every expected row is worked out by hand. */
import { Schema } from "effect"
import { describe, expect, it } from "vitest"
import { given } from "../../layers/process/testing.ts"
import { Column, Processor, Stream, Weather, Window } from "../../streams/index.ts"
import { WeatherHourly } from "../../streams/weatherHourly.ts"

const Readings = Stream.make("readings", {
  schema: Schema.Struct({
    device: Schema.String,
    at: Column.timestamptz,
    celsius: Schema.Finite,
    total: Schema.optionalKey(Column.long)
  }),
  key: "device"
})
const MeanRow = Stream.make("hourly_mean", {
  schema: Schema.Struct({
    device: Schema.String,
    hour: Column.timestamptz,
    readings: Column.int,
    mean: Schema.Finite,
    made: Column.accepted
  })
})
const MeanState = Schema.Struct({ n: Column.int, sum: Schema.Finite })
type Mean = typeof MeanState.Type
type Reading = typeof Readings.schema.Type

const mean = {
  from: Readings,
  time: (r: Reading) => r.at,
  window: Window.tumbling("1 hour"),
  outOfOrder: "1 minute",
  lateness: "10 minutes",
  state: MeanState,
  zero: { n: 0, sum: 0 },
  add: (s: Mean, r: Reading) => ({ n: s.n + 1, sum: s.sum + r.celsius }),
  to: MeanRow,
  emit: (device: string, w: Processor.Span, s: Mean) => ({ device, hour: w.start, readings: s.n, mean: s.sum / s.n })
} as const
const HourlyMean = Processor.window("hourly_mean", mean)

const reading = (device: string, at: string, celsius: number) => ({ device, at: `2026-11-27T${at}Z`, celsius })

describe("given", () => {
  it("closes a window when the watermark reaches its end plus lateness, and not before", () => {
    const first = [
      reading("a", "10:00:00", 20),
      reading("a", "10:59:59.999999", 30),
      reading("b", "10:30:00", 5),
      // 11:11 less 1 minute out of order is 11:10, the end plus 10 minutes.
      reading("b", "11:10:59.999", 9)
    ]
    given(HourlyMean, first).then([])
    given(HourlyMean, [...first, reading("c", "11:11:00", 1), reading("a", "10:59:00", 100)]).then(
      [
        { device: "a", hour: "2026-11-27T10:00:00Z", readings: 2, mean: 25 },
        { device: "b", hour: "2026-11-27T11:00:00+01:00", readings: 1, mean: 5 }
      ],
      [reading("a", "10:59:00", 100)]
    )
    const { open } = given(HourlyMean, first.slice(0, 3))
    expect(open).toEqual([
      { key: "a", start: "2026-11-27T10:00:00.000000Z", end: "2026-11-27T11:00:00.000000Z", state: { n: 2, sum: 50 } },
      { key: "b", start: "2026-11-27T10:00:00.000000Z", end: "2026-11-27T11:00:00.000000Z", state: { n: 1, sum: 5 } }
    ])
  })

  it("joins sessions that an event between them connects", () => {
    const Clicks = Stream.make("clicks", { schema: Schema.Struct({ visitor: Schema.String, at: Column.timestamptz }) })
    const Visits = Stream.make("visits", {
      schema: Schema.Struct({ visitor: Schema.String, from: Column.timestamptz, clicks: Column.long })
    })
    const State = Schema.Struct({ clicks: Column.long })
    const visits = Processor.window("visits", {
      from: Processor.rekey(Clicks, (c) => c.visitor),
      time: (c) => c.at,
      window: Window.session("30 minutes"),
      outOfOrder: "1 hour",
      state: State,
      zero: { clicks: 0n },
      add: (s) => ({ clicks: s.clicks + 1n }),
      merge: (a, b) => ({ clicks: a.clicks + b.clicks }),
      to: Visits,
      emit: (visitor, { start }, { clicks }) => ({ visitor, from: start, clicks })
    })
    const click = (visitor: string, time: string) => ({ visitor, at: `2026-11-27T${time}:00Z` })
    given(visits, [
      click("a", "10:00"),
      click("a", "10:40"),
      // Less than 30 minutes from both.
      click("a", "10:20"),
      // Exactly 30 minutes later: another visit.
      click("a", "11:10"),
      click("b", "14:00")
    ]).then([
      { visitor: "a", from: "2026-11-27T10:00:00Z", clicks: 3 },
      { visitor: "a", from: "2026-11-27T11:10:00Z", clicks: 1n }
    ])
  })

  it("runs folds, maps and filters", () => {
    const Alerts = Stream.make("alerts", {
      schema: Schema.Struct({ device: Schema.String, at: Column.timestamptz, change: Schema.Finite })
    })
    const jumps = Processor.fold("jumps", {
      from: Readings,
      state: Schema.Struct({ last: Schema.optionalKey(Schema.Finite), before: Schema.optionalKey(Schema.Finite) }),
      zero: {},
      add: (s, r) =>
        r.celsius === 0 ? undefined : { ...(s.last === undefined ? {} : { before: s.last }), last: r.celsius },
      to: Alerts,
      emit: (device, s, { at }) =>
        s?.last !== undefined && s.before !== undefined && Math.abs(s.last - s.before) > 10
          ? { device, at, change: s.last - s.before }
          : undefined
    })
    given(jumps, [
      reading("a", "10:00:00", 20),
      reading("b", "10:00:01", 50),
      reading("a", "10:00:02", 31),
      reading("a", "10:00:03", 0),
      reading("a", "10:00:04", 90)
    ]).then([{ device: "a", at: "2026-11-27T10:00:02Z", change: 11 }])

    const Pairs = Stream.make("pairs", { schema: Schema.Struct({ city: Schema.String, n: Column.int }) })
    const twice = Processor.map("twice", {
      from: Weather,
      to: Pairs,
      map: ({ city }) => [
        { city, n: 1 },
        { city, n: 2 }
      ]
    })
    given(twice, [{ city: "x", temperature: "1", ts: "2026-11-27-10" }]).then([
      { city: "x", n: 1 },
      { city: "x", n: 2 }
    ])

    const Warm = Stream.make("warm", { schema: Readings.schema })
    const warm = Processor.filter("warm_only", { from: Readings, to: Warm, keep: (r) => r.celsius > 20 })
    given(warm, [reading("a", "10:00:00", 20), { ...reading("a", "10:00:00", 21), total: "9007199254740993" }]).then([
      { ...reading("a", "10:00:00", 21), total: 9007199254740993n }
    ])
  })

  it("runs the built-in processor", () => {
    const at = (hour: string, city: string, temperature: string) => ({ city, temperature, ts: `2026-11-27-${hour}` })
    const events = [at("10", "Rome", "70"), at("10", "Oslo", "-4.5"), at("10", "Rome", "80.5"), at("10", "Rome", "6e1")]
    given(WeatherHourly, [...events, at("11", "Oslo", "1"), at("10", "Rome", "0")]).then(
      [
        { city: "Oslo", hour: "2026-11-27T10:00:00Z", readings: 1, min: -4.5, max: -4.5, mean: -4.5 },
        { city: "Rome", hour: "2026-11-27T10:00:00Z", readings: 3, min: 60, max: 80.5, mean: 70.16666666666667 }
      ],
      [at("10", "Rome", "0")]
    )
    const { rows } = given(WeatherHourly, [at("10", "x", "1e308"), at("10", "x", "1.7e308"), at("11", "x", "1")])
    expect(rows).toMatchObject([{ readings: 2, min: 1e308, max: 1.7e308, mean: 1.35e308 }])
  })

  it("shows a difference as a failed assertion", () => {
    const { then } = given(HourlyMean, [reading("a", "10:00:00", 1)])
    expect(() => then([{ device: "a", hour: "2026-11-27T10:00:00Z", readings: 1, mean: 1 }])).toThrow(
      /Expected values to be/
    )
    expect(() => then([], [reading("a", "10:00:00", 1)])).toThrow(/Expected values to be/)
  })

  it("notices functions that are not pure", () => {
    const events = [reading("a", "10:00:00", 1), reading("a", "10:00:01", 2)]
    const failing = (changes: object) => () =>
      given({ ...HourlyMean, options: { ...HourlyMean.options, ...changes } }, events)
    const add = (change: (s: { n: number; sum: number }) => unknown) => failing({ add: change })
    expect(add(async (s) => s)).toThrow("add gives a promise; the functions of a processor are synchronous")
    expect(add(() => ({ n: 1, sum: Date.now() }))).toThrow(/^add calls Date.now\(\), but/)
    expect(add(() => ({ n: 1, sum: new Date().getHours() }))).toThrow(/^add calls new Date\(\), but/)
    expect(add(() => ({ n: 1, sum: Math.random() }))).toThrow(/^add calls Math.random\(\), but/)
    const date = new Intl.DateTimeFormat("en", { timeZone: "UTC" })
    expect(add(() => ({ n: date.format().length, sum: 0 }))).toThrow(
      /^add calls format\(\) of Intl.DateTimeFormat without/
    )
    expect(add(() => ({ n: date.formatToParts().length, sum: 0 }))).toThrow(/^add calls formatToParts\(\) of Intl/)
    const formatted = () => `${[0].map(date.format)} ${date.formatToParts(0).length}`
    expect(failing({ key: () => (formatted() === "1/1/1970 5" ? "a" : {}) })).not.toThrow()
    expect(add((s) => Object.assign(s, { n: s.n + 1 }))).toThrow(/^add changes what it is given;/)
    const changing = (e: object) => Object.assign(e, { celsius: 1 }) && 0
    expect(failing({ add: (_: object, e: object) => ({ n: changing(e), sum: 0 }) })).toThrow(
      /^add changes what it is given;/
    )
    const rekeyed = Processor.rekey(Readings, () => String(Date.now()))
    expect(failing({ from: rekeyed })).toThrow(/^key calls Date.now\(\), but/)
    let calls = 0
    expect(add((s) => ({ n: ++calls, sum: s.sum }))).toThrow(/hourly_mean gives other rows when it is run again/)
    expect(failing({ key: () => crypto.randomUUID() })).toThrow(/^key calls crypto.randomUUID\(\), but/)
    expect(Date.now()).toBeGreaterThan(0)
    expect(new Date(5).getTime()).toBe(5)
  })

  it("notices rows that depend on the order of a state's fields, or on one that is undefined", () => {
    const Row = Stream.make("fields", { schema: Schema.Struct({ device: Schema.String, fields: Schema.String }) })
    const fields = (first: { a: number; b?: number }) =>
      Processor.fold("fields", {
        from: Readings,
        state: Schema.Struct({ a: Column.int, b: Schema.optionalKey(Column.int) }),
        zero: { a: 0 },
        add: (s, { celsius }) => (celsius === 1 ? first : s),
        to: Row,
        emit: (device, s) => ({ device, fields: Object.keys(s ?? {}).join() })
      })
    const once = { device: "d", at: "2026-11-27T10:00:00Z", celsius: 1 }
    const twice = [once, { ...once, celsius: 2 }]
    expect(() => given(fields({ b: 2, a: 1 }), twice)).toThrow(/gives other rows when it is run again/)
    const absent = { a: 1 }
    Reflect.set(absent, "b", undefined)
    expect(() => given(fields(absent), twice)).toThrow(/gives other rows when it is run again/)
    expect(given(fields({ a: 1, b: 2 }), twice).rows).toHaveLength(2)
  })

  it("names what does not fit", () => {
    const events = [reading("a", "10:00:00", 1)]
    const failing =
      (changes: object, given_ = events) =>
      () =>
        given({ ...HourlyMean, options: { ...HourlyMean.options, ...changes } }, given_)
    expect(failing({}, [reading("a", "25:00:00", 1)])).toThrow(
      /the event 0 does not fit the stream readings: at must be/
    )
    expect(failing({ add: () => ({ n: 1.5, sum: 0 }) })).toThrow(
      /a state does not fit its columns: n must be an integer/
    )
    expect(failing({ add: () => ({ n: 1, sum: 0, more: 1 }) })).toThrow(/more is not a column/)
    expect(failing({ add: () => undefined })).toThrow(/it must be an object/)
    expect(failing({ time: () => "yesterday" })).toThrow(/time gives "yesterday", which is no timestamptz/)
    expect(failing({ key: () => ({}) })).toThrow(/key must give a string, number, bigint or boolean, not object/)
    const last = [...events, reading("a", "23:00:00", 1)]
    expect(failing({ emit: () => ({ device: 1 }) }, last)).toThrow(
      /stopped at the window 2026-11-27T10:00:00.000000Z to .* of the key "a": its row does not fit the stream hourly_mean: device must be a string/
    )
    expect(failing({ window: Window.tumbling(0) })).toThrow(
      /option window, size: it must be a whole number of milliseconds, from 1 to 366 days/
    )
    // As an await would call it.
    expect(() => Reflect.apply(given(HourlyMean, []).then, undefined, [() => {}])).toThrow(/is no promise/)
  })

  it("puts aside what fails if it shall", () => {
    const fragile = Processor.window("hourly_mean", {
      ...mean,
      onError: "dead-letter",
      add: (s, r) => {
        if (r.celsius < 0) throw new RangeError("too cold")
        return mean.add(s, r)
      },
      emit: (device, w, s) => ({ ...mean.emit(device, w, s), mean: device === "b" ? Number.NaN : 1 })
    })
    const cold = { device: "a", at: "2026-11-27T10:10:00.000000Z", celsius: -1 }
    const { dead, late, rows } = given(fragile, [
      reading("a", "10:00:00", 1),
      cold,
      reading("b", "10:00:00", 1),
      { device: "x".repeat(1025), at: "2026-11-27T10:00:00Z", celsius: 1 },
      reading("a", "23:00:00", 1)
    ])
    expect(rows).toEqual([{ device: "a", hour: "2026-11-27T10:00:00.000000Z", readings: 1, mean: 1 }])
    expect(late).toEqual([])
    expect(dead.map(({ reason }) => reason)).toEqual([
      "add throws RangeError: too cold",
      "its key has 1,025 characters; at most 1,024 are possible",
      "its row does not fit the stream hourly_mean: mean must be a finite number"
    ])
    expect(JSON.parse(dead[0]?.value ?? "")).toEqual(cold)
    expect(JSON.parse(dead[2]?.value ?? "")).toEqual({
      key: "b",
      start: "2026-11-27T10:00:00.000000Z",
      end: "2026-11-27T11:00:00.000000Z",
      state: { n: 1, sum: 1 }
    })
  })
})
