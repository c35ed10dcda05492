import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/engines/**", "test/stack/**"],
    // Tests of the built-in processor turn it on.
    env: { FLOE_WEATHER_HOURLY: "false" },
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 20_000
  }
})
