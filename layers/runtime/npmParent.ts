/**
 * Notices the end of the npm that runs `npm start`. The script `exec`s the program, so npm is its parent and forwards
 * SIGINT and SIGTERM, but forwards nothing when it is killed. (Windows has no `exec`: its shell runs what follows `||`.)
 */
import { join } from "node:path"

const pollMillis = 500

const packageFile = join(import.meta.dirname, "..", "..", "package.json")

/** npm sets these variables, and all descendants inherit them, so the script and package are checked. */
const isNpmStart = ({ npm_lifecycle_event, npm_package_json }: NodeJS.ProcessEnv) =>
  npm_lifecycle_event === "start" && npm_package_json === packageFile

/** Calls `onEnd` once when npm has ended; does nothing if the program was not started by `npm start` of this package. */
export const watch = (onEnd: () => void) => {
  if (!isNpmStart(process.env)) return
  const npm = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === npm) return
    clearInterval(timer)
    onEnd()
  }, pollMillis).unref()
}
