import type { ProcessorDefinition } from "../../services/ProcessorDefinition.ts"

/** Writes the stream `rows`. */
export const mapped: ProcessorDefinition = {
  name: "mapped",
  kind: "map",
  from: "events",
  rekeyed: false,
  to: "rows",
  late: null,
  window: null,
  outOfOrder: 0,
  lateness: 0,
  ahead: 0,
  state: [],
  onError: "stop"
}

export const hourly: ProcessorDefinition = {
  ...mapped,
  name: "hourly",
  kind: "window",
  from: "readings",
  to: "hourly",
  late: "hourly_late",
  window: { type: "tumbling", size: 3_600_000 },
  state: [{ name: "n", required: true, type: "int" }]
}
