/** A folder with a module of streams, whose server takes a port of its own. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { temporaryFolder } from "./dataFolder.ts"
import { built, floe, freePort, run, startFloe } from "./program.ts"

/** `commitInterval` is the sink's. */
export const project = Effect.fnUntraced(function* (commitInterval: string) {
  const cwd = yield* temporaryFolder
  const port = yield* freePort
  const env = {
    FLOE_DATA: join(cwd, "data"),
    FLOE_PORT: String(port),
    FLOE_INTERVAL: "1 hour",
    FLOE_COMMIT_INTERVAL: commitInterval
  }
  return {
    data: env.FLOE_DATA,
    /** Writes floe.streams.ts. */
    write: (text: string) => writeFileSync(join(cwd, "floe.streams.ts"), text),
    /** A program of dist/, started in the folder. */
    start: (program: string) => run(process.execPath, [built(program)], env, { cwd }),
    floe: (...args: ReadonlyArray<string>) => floe(args, env, { cwd }),
    startFloe: (...args: ReadonlyArray<string>) => startFloe(args, env, { cwd }),
    post: async (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body)
      })
      return { status: response.status, text: await response.text() }
    }
  }
})
