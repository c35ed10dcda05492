/**
 * Starts compose.yaml before the tests, and always removes it with its volumes afterwards. After a failure, the
 * containers' logs stay in stack-logs/. FLOE_STACK=keep uses a running stack and leaves it running.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { TestProject } from "vitest/node"
import { compose, docker, root } from "./docker.ts"

/** Not the project name of compose.yaml, because its volumes may hold somebody's data. */
const project = "floe-test"
const folder = join(root, "stack-logs")

const saveLogs = async () => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "containers.txt"), await compose("ps", "--all"))
  for (const service of (await compose("config", "--services")).trim().split("\n")) {
    writeFileSync(join(folder, `${service}.log`), await compose("logs", "--no-color", "--timestamps", service))
  }
  console.log(`The containers' logs are in ${folder}.`)
}

const isTaken = async () => {
  const lines = (await docker("ps", "--all", "--format", '{{.Names}} {{.Label "com.docker.compose.project"}}')).split(
    "\n"
  )
  const services = new Set((await compose("config", "--services")).trim().split("\n"))
  return lines.some((line) => {
    const [name = "", owner] = line.split(" ")
    return services.has(name) && owner !== project
  })
}

const down = async () => {
  await compose("down", "--volumes", "--remove-orphans", "--timeout", "20")
  const left = await docker("volume", "ls", "--quiet", "--filter", `label=com.docker.compose.project=${project}`)
  if (left.trim() !== "") throw new Error(`docker compose down -v left volumes: ${left}`)
}

export default async (vitest: TestProject) => {
  if (process.env.FLOE_STACK === "keep") return
  process.env.COMPOSE_PROJECT_NAME = project
  process.env.FLOE_WEATHER_HOURLY = "false"
  if (await isTaken()) throw new Error("Another stack has these containers: stop it first (docker compose down).")
  const teardown = async () => {
    const failed = vitest.vitest.state.getCountOfFailedTests() > 0
    try {
      if (failed) await saveLogs()
    } finally {
      await down()
    }
  }
  await down()
  try {
    console.log("Building the images ...")
    await compose("build")
    console.log("Starting the stack ...")
    const started = performance.now()
    await compose("up", "--detach", "--wait", "--wait-timeout", "400")
    console.log(`The stack was up after ${((performance.now() - started) / 1000).toFixed(0)} s.`)
  } catch (error) {
    await saveLogs().catch(console.error)
    await down()
    throw error
  }
  return teardown
}
