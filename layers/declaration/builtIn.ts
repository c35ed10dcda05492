/** What Floe declares itself, in the form of a user's module. */
import { WeatherHourly, WeatherHourlyRow } from "../../streams/weatherHourly.ts"
import { compileStreams } from "./compileStreams.ts"

/** As a module's exports. */
export const builtInModule = { WeatherHourly, WeatherHourlyRow }

const result = compileStreams(builtInModule)
if ("sentences" in result) throw new Error(result.sentences.join("\n"))

export const builtIn = result.compiled
