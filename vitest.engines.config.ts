import { defineConfig } from "vitest/config"

/** With Spark, pyiceberg and DuckDB's iceberg extension; one file after the other, as each starts a Spark of its own. */
export default defineConfig({
  test: {
    include: ["test/engines/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 240_000
  }
})
