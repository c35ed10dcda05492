/**
 * Who may import whom: a file imports only from its own level and the levels below it, and no folder is part of an import
 * cycle. `npm run check` enforces this (dependency-cruiser reads this file).
 */
const levels = [
  "src",
  "layers/cli",
  "layers/profile",
  "layers/operate",
  "layers/sink",
  "layers/table",
  "layers/process",
  "layers/ingest",
  "layers/log",
  "layers/generator",
  "layers/declaration",
  "layers/runtime",
  "streams",
  "services"
]

/** Levels within a level, with the same rule. */
const rooms = {
  "layers/cli": ["commands", "terminal"],
  "layers/process": ["kafka", "sqlite", "memory", "codec", "core"],
  "layers/table": ["trino", "duckdb", "iceberg", "parquet", "schema"]
}

const upwards = (order) =>
  order.slice(1).map((folder, index) => ({
    name: `${folder} imports nothing above it`,
    severity: "error",
    from: { path: `^${folder}/` },
    to: { path: order.slice(0, index + 1).map((above) => `^${above}/`) }
  }))

export default {
  forbidden: [
    ...upwards(levels),
    ...Object.entries(rooms).flatMap(([level, order]) => upwards(order.map((room) => `${level}/${room}`))),
    {
      name: "no folder is in a circle",
      severity: "error",
      scope: "folder",
      from: {},
      to: { circular: true }
    },
    {
      name: "no file is in a circle",
      severity: "error",
      from: {},
      to: { circular: true }
    },
    {
      name: "the product imports no test",
      severity: "error",
      from: { path: "^(src|layers|streams|services)/" },
      to: { path: "^(test|bench)/" }
    }
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    parser: "swc"
  }
}
