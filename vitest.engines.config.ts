import { defineConfig } from "vitest/config"

/** Tests with Spark, pyiceberg and DuckDB's iceberg extension; one file at a time, because each starts its own Spark. */
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
