/** Which small data files to merge. Pure. */
import type { ActiveFile } from "./ActiveFiles.ts"

/** One piece takes about half a second; these also limit the size of the merged files. */
const maxRows = 1_000_000
const maxBytes = 32 * 1024 * 1024
const maxFiles = 128

/** How many files of one size class a growing partition merges into one; each class is eight times the one before. */
const fanIn = 8
const smallestClassBytes = 64 * 1024

type Sized = Pick<ActiveFile, "rows" | "bytes">

const sizeClass = (file: Sized) =>
  Math.max(0, 1 + Math.floor(Math.log2(file.bytes / smallestClassBytes) / Math.log2(fanIn)))

const bySize = (a: Sized, b: Sized) => a.bytes - b.bytes || a.rows - b.rows

const fitting = <F extends Sized>(files: ReadonlyArray<F>) => {
  let rows = 0
  let bytes = 0
  const end = files.slice(0, maxFiles).findIndex((file) => {
    rows += file.rows
    bytes += file.bytes
    return rows > maxRows || bytes > maxBytes
  })
  return files.slice(0, end < 0 ? maxFiles : end)
}

/**
 * The files of one partition to merge now; none if no merge is needed. A growing partition merges only files of one size
 * class, so that a row is rewritten few times. Otherwise all small files are merged.
 */
export const toCompact = <F extends Sized>(files: ReadonlyArray<F>, growing: boolean): ReadonlyArray<F> => {
  const ordered = files.toSorted(bySize)
  const classes = growing ? [...Map.groupBy(ordered, sizeClass).values()] : [ordered]
  for (const members of classes) {
    if (growing && members.length < fanIn) continue
    const chosen = fitting(members)
    if (chosen.length >= 2) return chosen
  }
  return []
}

/** The files of as many partitions as one piece may have. */
export const inOnePiece = <F extends Sized>(perPartition: Iterable<ReadonlyArray<F>>): ReadonlyArray<F> => {
  let chosen: ReadonlyArray<F> = []
  for (const files of perPartition) {
    const more = [...chosen, ...files]
    if (chosen.length > 0 && fitting(more).length < more.length) break
    chosen = more
  }
  return chosen
}

/** What repeated merges of one partition would do: the files that they merge, and how many new files result. */
export const mergesOf = <F extends Sized>(files: ReadonlyArray<F>, growing: boolean) => {
  let now = files
  let into = 0
  const original = new Set(files)
  const merged = new Set<F>()
  for (;;) {
    const chosen = toCompact(now, growing)
    const [first] = chosen
    if (first === undefined) return { merged: files.filter((file) => merged.has(file)), into }
    for (const file of chosen) {
      if (original.has(file)) merged.add(file)
      else into--
    }
    into++
    const rows = chosen.reduce((sum, file) => sum + file.rows, 0)
    const bytes = chosen.reduce((sum, file) => sum + file.bytes, 0)
    now = [...now.filter((file) => !chosen.includes(file)), { ...first, rows, bytes }]
  }
}
