/** A recorded control topic of a connector with one task: a commit, a commit without new events, another commit. */
import control from "../../recorded/control.json" with { type: "json" }

export const recorded = control.map(({ offset, key, value }) => ({ offset, key, bytes: Buffer.from(value, "base64") }))
export const group = "connect-x-audit-sink"
export const first = "1c2376c4-5510-41e3-8a70-166b11c1e06e"
export const idle = "af314369-f9c1-4be6-aae2-0736186e46f5"
export const second = "e79eefb6-e05d-4d7d-9ee5-3c131a44893c"
