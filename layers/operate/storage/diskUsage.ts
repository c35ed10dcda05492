/** The drives of a MinIO, by its API for administrators; another object store has none to tell of. */
import { S3Client } from "@bradenmacdonald/s3-lite-client"
import { Effect, Redacted, Schema } from "effect"
import { s3 } from "../../../services/Settings.ts"

const answerLimit = "5 seconds"

const Info = Schema.fromJsonString(
  Schema.Struct({
    servers: Schema.Array(
      Schema.Struct({
        drives: Schema.Array(Schema.Struct({ endpoint: Schema.String, totalspace: Schema.Int, availspace: Schema.Int }))
      })
    )
  })
)

export interface Drive {
  readonly folder: string
  readonly freeBytes: number
}

/** None where it is no MinIO, or the key is not an administrator's. */
export const make = Effect.gen(function* () {
  const { endpoint, region, bucket, accessKey, secretKey } = yield* s3
  return Effect.gen(function* () {
    const body = yield* Effect.tryPromise(async () => {
      const settings = { endPoint: endpoint.origin, region, bucket, accessKey, secretKey: Redacted.value(secretKey) }
      // Signed as a request for a file would be, which is what this address looks like.
      const file = { bucketName: "minio", objectName: "admin/v3/info" }
      const response = await new S3Client(settings).makeRequest({ method: "GET", ...file, returnBody: true })
      return response.text()
    })
    const { servers } = yield* Schema.decodeUnknownEffect(Info)(body)
    return servers.flatMap(({ drives }) =>
      drives.map(({ endpoint, availspace }): Drive => ({ folder: endpoint, freeBytes: availspace }))
    )
  }).pipe(
    Effect.timeout(answerLimit),
    Effect.orElseSucceed((): ReadonlyArray<Drive> => [])
  )
})
