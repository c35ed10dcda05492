/** The entries of a new snapshot's manifests. Pure. */
import { type ContentFile, type ManifestEntry, status } from "./Manifest.ts"
import type { Form } from "./manifestFormat.ts"
import { fullManifest } from "./manifestMerge.ts"

/** Entries that are written in one form. */
export interface FormedEntries {
  readonly form: Form
  readonly entries: ReadonlyArray<ManifestEntry>
}

/** Entries for new files. With a null sequence number they inherit the snapshot's. */
export const added = (
  form: Form,
  snapshotId: bigint,
  files: ReadonlyArray<ContentFile>,
  sequenceNumber: number | null
): FormedEntries => ({
  form,
  entries: files.map((data_file) => ({
    status: status.added,
    snapshot_id: snapshotId,
    sequence_number: sequenceNumber,
    file_sequence_number: null,
    data_file
  }))
})

/** The same entries, with the files for which `isDeleted` holds marked as deleted by this snapshot. */
export const carriedOver = (
  snapshotId: bigint,
  before: ReadonlyArray<FormedEntries>,
  isDeleted: (entry: ManifestEntry) => boolean
): ReadonlyArray<FormedEntries> =>
  before.map(({ entries, form }) => ({
    form,
    entries: entries.map((entry) =>
      isDeleted(entry)
        ? { ...entry, status: status.deleted, snapshot_id: snapshotId }
        : { ...entry, status: status.existing }
    )
  }))

/** One item per manifest to write: none holds more than `fullManifest` entries. */
export const perManifest = (formed: ReadonlyArray<FormedEntries>): ReadonlyArray<FormedEntries> =>
  formed.flatMap(({ entries, form }) =>
    Array.from({ length: Math.ceil(entries.length / fullManifest) }, (_, i) => ({
      form,
      entries: entries.slice(i * fullManifest, (i + 1) * fullManifest)
    }))
  )
