import { defineConfig } from "vitest/config"

/** Against compose.yaml on a real engine; one file after the other, as they share the stack. */
export default defineConfig({
  test: {
    include: ["test/stack/**/*.test.ts"],
    globalSetup: ["test/stack/setup.ts"],
    pool: "forks",
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000
  }
})
