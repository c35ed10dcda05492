/** The built-in stream as every log has it, without being told. */
import { Weather } from "../../streams/weather.ts"
import { firstVersion } from "./assignIds.ts"
import { compileStream } from "./compileStreams.ts"

/** Version 1, with the ids 1, 2 and 3. Its name is reserved, which is the only fault of its definition. */
export const weather = firstVersion(compileStream(Weather).definition, 0)
