import { Config, Console, Effect, Layer } from "effect"
import { DataFolder } from "../../services/DataFolder.ts"
import { logFormat } from "../../services/Settings.ts"
import { Streams } from "../../services/Streams.ts"
import { weather } from "../../services/TableReader.ts"
import { HttpServer } from "./http/HttpServer.ts"

const streamsLine = (url: string, streams: ReadonlyArray<string>) =>
  streams.length === 0
    ? ""
    : `  your streams    ${streams.join(", ")}: POST a JSON array to ${url}/streams/${streams.length === 1 ? streams[0] : "<name>"}/events\n`

const banner = (url: string, root: string, prefix: string, streams: ReadonlyArray<string>) => `
Floe runs at ${url} and keeps all its data in ${root}

  log a record    curl "${url}/log?city=TestCity&temperature=75.5"
${streamsLine(url, streams)}  query the table ${prefix}npx floe query "SELECT * FROM iceberg.default.weather WHERE city = 'TestCity'"
  the API         ${url}/docs

Press Ctrl-C to stop it; the next start resumes where it stopped.
`

/** Prints where Floe runs and what to try next. */
export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { url } = yield* HttpServer
    const { root } = yield* DataFolder
    const elsewhere = yield* Config.option(Config.String("FLOE_DATA"))
    const prefix = elsewhere._tag === "Some" ? `FLOE_DATA="${root}" ` : ""
    const applied = yield* Effect.orElseSucceed((yield* Streams).all, () => [])
    const streams = applied.map(({ definition: { name } }) => name).filter((name) => name !== weather)
    if ((yield* logFormat) === "json") yield* Effect.logInfo(`Floe runs at ${url} and keeps all its data in ${root}`)
    else yield* Console.log(banner(url, root, prefix, streams))
    yield* Effect.addFinalizer(() => Effect.logInfo("Stopping: acknowledged events are being committed."))
  })
)
