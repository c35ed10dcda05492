/** What a processor's file has beside the log of its streams. */
import type { DatabaseSync } from "node:sqlite"

/** `windows`: of a fold each key's state, with start and end 0. `progress`: how far the input is processed, by which definition. `ticks`: when windows were closed by the clock; `ticks_to_come`: the same of the file that a rebuilt one replaced, as far as it has not processed its input. */
const tables = `
  CREATE TABLE IF NOT EXISTS windows (
    key TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (key, start)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS windows_by_end ON windows ("end");
  CREATE TABLE IF NOT EXISTS progress (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    next INTEGER NOT NULL,
    watermark INTEGER,
    definition TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS ticks (
    id INTEGER PRIMARY KEY,
    next INTEGER NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS ticks_to_come (
    id INTEGER PRIMARY KEY,
    next INTEGER NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;`

/** In one transaction, so that readers see all of the tables or none. */
export const createTables = (database: DatabaseSync) => database.exec(`BEGIN IMMEDIATE; ${tables} COMMIT`)
