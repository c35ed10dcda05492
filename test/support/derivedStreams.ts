/** Clicks, the sales among them, and the sales of each minute: a processor on a processor. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { temporaryFolder } from "./dataFolder.ts"
import { bin, built, floe, freePort, run } from "./program.ts"

export const module = (
  changes: { readonly add?: string; readonly size?: string; readonly onError?: string; readonly more?: string } = {}
) => `
import { Column, Processor, Stream, Window } from "floe"
import { Schema } from "effect"
export const Clicks = Stream.make("clicks", { schema: Schema.Struct({ visitor: Schema.String, at: Column.timestamptz, page: Schema.String }), key: "visitor" })
export const Sales = Stream.make("sales", { schema: Clicks.schema, key: "visitor" })
export const OnlySales = Processor.filter("only_sales", { from: Clicks, to: Sales, keep: (c) => c.page === "sale" })
export const PerMinute = Stream.make("per_minute", { schema: Schema.Struct({ visitor: Schema.String, minute: Column.timestamptz, sales: Column.long, first: Schema.String, made: Column.accepted }) })
const State = Schema.Struct({ sales: Column.long, first: Schema.String })
export const Counts = Processor.window("per_minute", {
  from: Sales, time: (c) => c.at, window: Window.tumbling("${changes.size ?? "1 minute"}"), outOfOrder: "5 seconds",
  onError: "${changes.onError ?? "stop"}", ${changes.more ?? ""}
  state: State, zero: { sales: 0n, first: "" },
  add: ${changes.add ?? `(s, c) => ({ sales: s.sales + 1n, first: s.first || c.at })`},
  to: PerMinute, emit: (visitor, w, s) => ({ visitor, minute: w.start, ...s })
})
`

export const project = Effect.gen(function* () {
  const cwd = yield* temporaryFolder
  const port = yield* freePort
  const env = {
    FLOE_DATA: join(cwd, "data"),
    FLOE_PORT: String(port),
    FLOE_INTERVAL: "1 hour",
    FLOE_COMMIT_INTERVAL: "100 millis"
  }
  const write = (text: string) => writeFileSync(join(cwd, "floe.streams.ts"), text)
  write(module())
  return {
    cwd,
    write,
    start: (program: string) => run(process.execPath, [built(program)], env, { cwd }),
    query: (sql: string) =>
      Effect.map(floe(["query", "--format", "json", sql], env, { cwd }), ({ err, out }) => {
        assert.strictEqual(err, "")
        return JSON.parse(out)
      }),
    startFloe: (...args: ReadonlyArray<string>) => run(process.execPath, [bin, ...args], env, { cwd }),
    floeIn: (folder: string, ...args: ReadonlyArray<string>) =>
      floe(args, { ...env, FLOE_DATA: join(cwd, folder) }, { cwd }),
    floe: (...args: ReadonlyArray<string>) => floe(args, env, { cwd }),
    startWithBuiltIn: run(process.execPath, [built("standalone")], { ...env, FLOE_WEATHER_HOURLY: "true" }, { cwd }),
    get: (path: string) => Effect.promise(() => fetch(`http://127.0.0.1:${port}${path}`)),
    startIn: (folder: string) =>
      run(process.execPath, [built("standalone")], { ...env, FLOE_DATA: join(cwd, folder) }, { cwd }),
    queryIn: (folder: string, sql: string) =>
      Effect.map(
        floe(["query", "--format", "json", sql], { ...env, FLOE_DATA: join(cwd, folder) }, { cwd }),
        ({ out }) => JSON.parse(out)
      ),
    post: (path: string, body: unknown) =>
      Effect.promise(() =>
        fetch(`http://127.0.0.1:${port}${path}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body)
        })
      )
  }
})

/** Seconds after 10:00. */
export const click = (visitor: string, seconds: number, page = "sale") => ({
  visitor,
  at: new Date(Date.UTC(2026, 10, 27, 10) + seconds * 1000).toISOString(),
  page
})
