/**
 * Whether the npm that runs `npm start` is still there. The script replaces its shell by the program, so npm is the
 * program's parent and passes SIGINT and SIGTERM on; but when npm is killed, or its terminal closes, it passes nothing on.
 * The shell of Windows has no `exec` and goes on behind the `||`, which no other shell comes to.
 */
import { join } from "node:path"

const pollMillis = 500

const packageFile = join(import.meta.dirname, "..", "..", "package.json")

/** Set by npm for the script that it runs, and inherited by everything that the script starts. */
const isNpmStart = ({ npm_lifecycle_event, npm_package_json }: NodeJS.ProcessEnv) =>
  npm_lifecycle_event === "start" && npm_package_json === packageFile

/** Calls `onEnd` once when npm has ended; does nothing where no `npm start` of this package is above. */
export const watch = (onEnd: () => void) => {
  if (!isNpmStart(process.env)) return
  const npm = process.ppid
  const timer = setInterval(() => {
    // An orphan gets another parent at once, also while the dead npm waits to be collected.
    if (process.ppid === npm) return
    clearInterval(timer)
    onEnd()
  }, pollMillis).unref()
}
