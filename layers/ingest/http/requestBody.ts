/** The body of a request that logs events: its headers are checked, and it is read as text. */
import { Effect } from "effect"
import type * as Body from "./body.ts"
import { invalid } from "./ErrorResponse.ts"
import type { RequestContext } from "./RequestContext.ts"
import { rejectKey } from "./RequestHeaders.ts"
import { encodingOf, formatOf } from "./records.ts"

const manyTypes = invalid([{ field: "Content-Type", message: "must be given once" }])

export const make = (bodies: Body.Bodies) =>
  Effect.fnUntraced(function* (context: RequestContext, held: Body.Held) {
    const { request, headers } = context
    const badKey = rejectKey(headers)
    if (badKey !== undefined) return yield* Effect.fail(badKey)
    if (headers.contentTypes > 1) return yield* Effect.fail(manyTypes)
    const format = yield* Effect.fromResult(formatOf(request.headers["content-type"]))
    const gzipped = yield* Effect.fromResult(encodingOf(request.headers["content-encoding"]))
    return { format, text: yield* bodies.text(context, gzipped, held) }
  })
