/** The drives of a MinIO, from its admin API, which other object stores do not have. */
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

/** Empty if the object store is not MinIO, or the key is not an administrator's. */
export const diskUsage = Effect.gen(function* () {
  const { endpoint, region, bucket, accessKey, secretKey } = yield* s3
  const body = yield* Effect.tryPromise(async () => {
    const settings = { endPoint: endpoint.origin, region, bucket, accessKey, secretKey: Redacted.value(secretKey) }
    // The address looks like that of a file, and the request is signed like one.
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
