import { S3Client, S3Errors } from "@bradenmacdonald/s3-lite-client"
import { Effect, Layer, Option, Redacted, Stream } from "effect"
import { s3 } from "../../../services/Settings.ts"
import {
  Storage,
  type StorageError,
  StorageMissing,
  StorageRefused,
  StorageUnavailable,
  StoredFile,
  StoredFolder
} from "../../../services/Storage.ts"
import { transportReason } from "../../runtime/transportReason.ts"
import { type ListPage, parse } from "./listPage.ts"

/** A page is 1,000 names. */
const answerLimit = "30 seconds"

export const layer = Layer.effect(
  Storage,
  Effect.gen(function* () {
    const { endpoint, region, bucket, accessKey, secretKey } = yield* s3
    const warehouse = `s3://${bucket}`
    const elsewhere = "set FLOE_S3_ENDPOINT to its address"

    const unavailable = (reason: string, cause: unknown) => new StorageUnavailable({ warehouse, reason, cause })

    const errorOf = (cause: unknown): StorageError => {
      if (cause instanceof S3Errors.InvalidBucketNameError) {
        return new StorageMissing({
          warehouse,
          advice: "a bucket cannot have this name; set FLOE_S3_BUCKET to one that exists"
        })
      }
      if (cause instanceof S3Errors.InvalidArgumentError) {
        return new StorageRefused({ warehouse, reason: `${cause.message.replace(/\.$/, "")}; set FLOE_S3_ACCESS_KEY` })
      }
      if (!(cause instanceof S3Errors.ServerError)) {
        return unavailable(
          `nothing answers at ${endpoint.origin} (${transportReason(cause)}); start it, or ${elsewhere}`,
          cause
        )
      }
      switch (cause.code) {
        case "NoSuchBucket":
          return new StorageMissing({
            warehouse,
            advice: "create the bucket, or set FLOE_S3_BUCKET to one that exists"
          })
        case "InvalidAccessKeyId":
        case "SignatureDoesNotMatch":
          return new StorageRefused({
            warehouse,
            reason: `${endpoint.origin} does not know this key (${cause.code}); set FLOE_S3_ACCESS_KEY and FLOE_S3_SECRET_KEY`
          })
        case "UnrecognizedError":
          return unavailable(
            `what answers at ${endpoint.origin} is not an object store (${cause.statusCode}); ${elsewhere}`,
            cause
          )
      }
      // The object store's own message names the port, the region or the right that is wrong.
      const answer = `${endpoint.origin} answers ${cause.statusCode} ${cause.code}: ${cause.message.replace(/\.$/, "")}`
      return cause.statusCode >= 500
        ? unavailable(`${answer}; try again`, cause)
        : new StorageRefused({
            warehouse,
            reason: `${answer}; check FLOE_S3_ENDPOINT, FLOE_S3_REGION and the permissions of the key`
          })
    }

    const client = yield* Effect.try({
      try: () =>
        new S3Client({
          endPoint: endpoint.origin,
          region,
          bucket,
          accessKey,
          secretKey: Redacted.value(secretKey)
        }),
      catch: errorOf
    })

    /** The client's own listing garbles names with quotes, spaces at the start and control characters (tried). */
    const page = Effect.fn("Storage.list")(function* (query: Record<string, string>) {
      const body = yield* Effect.tryPromise({
        try: () =>
          client
            .makeRequest({
              method: "GET",
              objectName: "",
              query: { "list-type": "2", "encoding-type": "url", ...query },
              returnBody: true
            })
            .then((response) => response.text()),
        catch: errorOf
      }).pipe(
        Effect.timeoutOrElse({
          duration: answerLimit,
          orElse: () =>
            Effect.fail(
              unavailable(
                `${endpoint.origin} does not answer within ${answerLimit}; check its log, or ${elsewhere}`,
                "time-out"
              )
            )
        })
      )
      return yield* Effect.fromResult(parse(body)).pipe(
        Effect.mapError((cause) =>
          unavailable(`what answers at ${endpoint.origin} is not an object store; ${elsewhere}`, cause)
        )
      )
    })

    const pagesOf = (query: Record<string, string>) =>
      Stream.paginate(
        Option.none<string>(),
        Effect.fnUntraced(function* (token: Option.Option<string>) {
          const fetched = yield* page(
            Option.match(token, { onNone: () => query, onSome: (token) => ({ ...query, "continuation-token": token }) })
          )
          return [[fetched], Option.map(fetched.next, Option.some)] as const
        })
      )

    /** Object stores have no `..`, and some reject it. */
    const pages = (folder: string, query: Record<string, string> = {}) =>
      folder.split("/").includes("..")
        ? Stream.empty
        : pagesOf({ ...query, prefix: folder === "" || folder.endsWith("/") ? folder : `${folder}/` })

    /** An empty object with a slash at its end stands for a folder. */
    const filesOf = ({ files }: ListPage) =>
      files.filter(({ path }) => !path.endsWith("/")).map((file) => StoredFile.make(file))
    const foldersOf = ({ folders }: ListPage) => folders.map((path) => StoredFolder.make({ path }))

    return Storage.of({
      warehouse,
      list: (folder) =>
        pages(folder, { delimiter: "/" }).pipe(
          Stream.map((page) => [...foldersOf(page), ...filesOf(page)]),
          Stream.flattenIterable
        ),
      listAll: (folder) => pages(folder).pipe(Stream.map(filesOf), Stream.flattenIterable)
    })
  })
)
