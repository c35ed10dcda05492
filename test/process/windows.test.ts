/**
 * What comes out of a processor is a function of its log alone: random rules, logs, batches, crashes and sizes of memory, over
 * every store, against an independent program. A seed that fails is named; FLOE_SEED=<seed> runs it alone, and FLOE_SEEDS=<n>
 * runs n of them over each store.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll, describe, expect, it } from "vitest"
import { processorFolder } from "../../layers/log/sqlite/processorFolder.ts"
import * as Memory from "../../layers/process/memory/Store.ts"
import * as Sqlite from "../../layers/process/sqlite/Store.ts"
import { placesIn } from "../../layers/runtime/DataFolder.ts"
import { isMany, seedsOf } from "../support/seeds.ts"
import { manyWindows } from "./manyWindows.ts"
import { type Place, randomRun } from "./randomRun.ts"

const logId = "018f4e1c-5a57-7d9a-b0a1-3c2d4e5f6a7b"

const memory = (): Place & { close: () => void } => {
  let store = Memory.make()
  return {
    open: () => {
      store = store.reopened()
      return store
    },
    ticks: () => store.content().ticks.length,
    content: () => {
      const { late, progress, rows, states, ticks } = store.content()
      return {
        rows,
        ticks,
        late,
        progress,
        states: [...states.values()].sort(
          (a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || a.start - b.start
        )
      }
    },
    close: () => {}
  }
}

/** In memory where that is possible, as this test makes thousands of commits. */
const folders = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "floe-"))
afterAll(() => rmSync(folders, { recursive: true, force: true }))
let count = 0

const sqlite = (): Place & { close: () => void } => {
  const folder = placesIn(join(folders, String(count++)))
  mkdirSync(folder.processors, { recursive: true })
  let store: Sqlite.SqliteStore | undefined
  const content = () => {
    if (store === undefined) throw new Error("the store was not opened")
    const database = new DatabaseSync(processorFolder(folder, "random").log, { readOnly: true })
    const events = (stream: string) =>
      database
        .prepare(`SELECT value AS record, accepted_at AS acceptedAt FROM "events:${stream}" ORDER BY "offset"`)
        .all()
        .map((row) => ({ record: String(row.record), acceptedAt: Number(row.acceptedAt) }))
    const states = database
      .prepare(`SELECT key, start, "end", state FROM windows ORDER BY key, start`)
      .all()
      .map((row) => ({
        key: String(row.key),
        start: Number(row.start),
        end: Number(row.end),
        state: String(row.state)
      }))
    const ticks = database
      .prepare("SELECT next, at FROM ticks ORDER BY id")
      .all()
      .map(({ at, next }) => ({ next: Number(next), at: Number(at) }))
    const content = {
      ticks,
      rows: events("windows"),
      late: events("random_late"),
      states,
      progress: store.progress()
    }
    database.close()
    return content
  }
  return {
    open: (definition, output, late) => {
      store?.close()
      store = Sqlite.open({ folder, logId, definition, output, late })
      return store
    },
    ticks: () => content().ticks.length,
    content,
    close: () => store?.close()
  }
}

const stores = { memory: { place: memory, seeds: 1_000 }, SQLite: { place: sqlite, seeds: 100 } }

describe.each(Object.entries(stores))("over %s", (name, { place, seeds }) => {
  it("gives the windows that the rule demands, whatever the batches and crashes", { timeout: 600_000 }, async () => {
    const all = seedsOf(seeds)
    let crashes = 0
    let windows = 0
    let late = 0
    for (const seed of all) {
      const at = place()
      try {
        const { actual, crashed, expected } = await randomRun(seed, at)
        crashes += crashed
        windows += expected.rows.length
        late += expected.late.length
        expect(actual).toEqual(expected)
      } catch (cause) {
        throw new Error(`over ${name}; FLOE_SEED=${seed} runs it alone`, { cause })
      } finally {
        at.close()
      }
    }
    // The logs must have what the rule is about.
    if (isMany) {
      expect(crashes).toBeGreaterThan(all.length)
      expect(windows).toBeGreaterThan(5 * all.length)
      expect(late).toBeGreaterThan(all.length)
    }
  })

  it("closes 100,000 windows that were open when it died", { timeout: 60_000 }, async () => {
    const at = place()
    const { actual, expected } = await manyWindows(at)
    at.close()
    expect(actual).toEqual(expected)
  })
})
