#!/usr/bin/env node
// Runs on Node 14.13 or newer, so that it can find the Node that Floe needs and run the command line on that.
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const needed = 24
const self = fileURLToPath(import.meta.url)
const root = dirname(dirname(self))

const bundledNode = () => {
  const require = createRequire(import.meta.url)
  const name = `${process.platform === "win32" ? "win" : process.platform}-${process.arch}`
  for (const candidate of [`node-${name}`, `node-bin-${name}`]) {
    try {
      const folder = dirname(require.resolve(`${candidate}/package.json`))
      const path = join(folder, "bin", process.platform === "win32" ? "node.exe" : "node")
      if (existsSync(path)) return path
    } catch (_) {
      // Not installed.
    }
  }
}

const runOn = (node) => {
  const child = spawn(node, [self].concat(process.argv.slice(2)), { stdio: "inherit" })
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // On Ctrl-C, the terminal signals both processes.
      if (signal !== "SIGINT" || !terminal) child.kill(signal)
    })
  }
  child.on("error", (error) => {
    console.error(`Node ${needed} at ${node} cannot be started (${error.message}); run npm ci again.`)
    process.exit(1)
  })
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

if (Number(process.versions.node.split(".")[0]) >= needed) {
  // With anything after it, the command line shows the help of start or what is wrong.
  const program = process.argv[2] === "start" && process.argv.length === 3 ? "standalone" : "admin"
  const built = join(root, "dist", `${program}.js`)
  import(pathToFileURL(existsSync(built) ? built : join(root, "src", `${program}.ts`)).href)
} else {
  const node = bundledNode()
  if (node === undefined) {
    console.error(
      `Floe needs Node ${needed} or newer, but this is Node ${process.versions.node}. Run npm ci in ${root} to install Node ${needed}, or get it from https://nodejs.org.`
    )
    process.exitCode = 1
  } else runOn(node)
}
