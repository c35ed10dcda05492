import { defineConfig } from "vitest/config"

/** Tests against compose.yaml on a real Docker engine; one file at a time, because they share the stack. */
export default defineConfig({
  test: {
    include: ["test/stack/**/*.test.ts"],
    // Tests damage the topic of weather; weatherHourly.test.ts has the processor for itself.
    env: { FLOE_WEATHER_HOURLY: "false" },
    globalSetup: ["test/stack/setup.ts"],
    pool: "forks",
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000
  }
})
