/**
 * What is in the warehouse: the files of the table, with their sizes.
 * Owns: listing, errors. Does not own: what the files mean (Table), writing and removing them.
 */
import { Context, Schema, type Stream } from "effect"

export const StoredFile = Schema.TaggedStruct("File", {
  /** Path within the warehouse, for example default/weather/data/… */
  path: Schema.String,
  bytes: Schema.Int,
  /** Milliseconds since 1970. */
  modifiedAt: Schema.Int
})
export type StoredFile = typeof StoredFile.Type

export const StoredFolder = Schema.TaggedStruct("Folder", {
  /** Path within the warehouse, with a slash at the end. */
  path: Schema.String
})
export type StoredFolder = typeof StoredFolder.Type

/** The warehouse cannot be reached; the call may be retried. */
export class StorageUnavailable extends Schema.TaggedError<StorageUnavailable>()("StorageUnavailable", {
  warehouse: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The warehouse ${this.warehouse} is unavailable: ${this.reason}.`
  }
}

/** There is no such warehouse: no bucket, or no folder. */
export class StorageMissing extends Schema.TaggedError<StorageMissing>()("StorageMissing", {
  warehouse: Schema.String,
  /** What to do, as the end of a sentence. */
  advice: Schema.String
}) {
  override get message() {
    return `There is no warehouse ${this.warehouse}; ${this.advice}.`
  }
}

/** The warehouse denies access; a retry does not help. */
export class StorageRefused extends Schema.TaggedError<StorageRefused>()("StorageRefused", {
  warehouse: Schema.String,
  /** Why, and what to do, as the end of a sentence. */
  reason: Schema.String
}) {
  override get message() {
    return `The warehouse ${this.warehouse} denies access: ${this.reason}.`
  }
}

export type StorageError = StorageUnavailable | StorageMissing | StorageRefused

export class Storage extends Context.Service<
  Storage,
  {
    /** A folder, or a bucket, for example s3://warehouse. */
    readonly warehouse: string
    /** The files and folders in a folder; "" is the warehouse itself. Empty if there is no such folder. */
    readonly list: (folder: string) => Stream.Stream<StoredFile | StoredFolder, StorageError>
    /** All the files below it. */
    readonly listAll: (folder: string) => Stream.Stream<StoredFile, StorageError>
  }
>()("floe/services/Storage") {}
