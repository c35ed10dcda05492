import { Effect, Layer, Option } from "effect"
import { Command } from "effect/cli"
import { sinkConnector } from "../../../services/Connector.ts"
import * as Settings from "../../../services/Settings.ts"
import { builtIn } from "../../declaration/builtIn.ts"
import * as Declaration from "../../declaration/Declaration.ts"
import * as Profile from "../../profile/Profile.ts"
import { wait } from "../terminal/retryWhileStarting.ts"
import { registerConnector } from "./connector.ts"
import { applyDeclared, type Declared, declared } from "./streamsApply.ts"
import { createWeatherTable } from "./table.ts"
import { createTopics } from "./topics.ts"

const ofWeather = Effect.fnUntraced(function* (wait: number) {
  yield* createTopics({ wait, json: false })
  yield* createWeatherTable({ wait })
  yield* registerConnector({ name: sinkConnector, config: Option.none(), wait })
})

const withBuiltIn = (user: Declared | undefined): Declared => ({
  file: user?.file ?? "Floe",
  compiled: {
    ...builtIn,
    streams: [...builtIn.streams, ...(user?.compiled.streams ?? [])],
    processors: [...(builtIn.processors ?? []), ...(user?.compiled.processors ?? [])]
  }
})

export const setup = Command.make(
  "setup",
  { wait },
  Effect.fn("floe setup")(function* ({ wait }) {
    // First, so that a declaration that is refused has created nothing.
    const user = Option.isSome(yield* Declaration.find) ? yield* declared : undefined
    const wanted = (yield* Settings.weatherHourly) ? withBuiltIn(user) : user
    const ofStreams = wanted === undefined ? Effect.void : applyDeclared(wanted, { wait, json: false })
    yield* Effect.all([ofWeather(wait), ofStreams], { concurrency: 2, discard: true })
  })
).pipe(
  Command.withDescription(
    "Prepare the distributed profile: create the topics, the table and the connector of weather, and those of the built-in processor weather_hourly (FLOE_WEATHER_HOURLY=false leaves it out), and apply the declaration of streams, if there is one. It does what floe topics create, floe table create, floe connector register and floe streams apply do, in one process. The service setup of compose.yaml runs it. You can run it again at any time; what exists is compared, and an interrupted run is completed."
  ),
  Command.withShortDescription("Prepare the distributed profile: topics, tables, connectors"),
  Command.withExamples([
    {
      command: "docker compose run --rm setup",
      description: "Apply floe.streams.ts beside compose.yaml, while everything runs"
    },
    { command: "floe setup --wait 300", description: "Wait up to five minutes for the services" }
  ]),
  Command.provide(
    Layer.mergeAll(Profile.layer("tableCreation"), Profile.layer("registration"), Profile.layer("evolution"))
  )
)
