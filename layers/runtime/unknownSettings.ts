/** Warns about FLOE_ variables that are not settings, so that a misspelt name is not ignored silently. */
import { Console, Effect } from "effect"
import { settings } from "../../services/Settings.ts"
import { nearest } from "./nearest.ts"

/** Read by compose.yaml, the metastore's image and the tests. */
const elsewhere = /^FLOE_(BIND|WAREHOUSE|STACK|TEST_\w+)$/

const nearestTo = (name: string) =>
  nearest(
    name,
    settings.map((setting) => setting.name)
  ) ?? settings.find((setting) => name.startsWith(`${setting.name}_`))?.name

/** One sentence for each FLOE_ name that is not a setting. */
export const warningsOf = (names: ReadonlyArray<string>) =>
  names
    .filter((name) => /^FLOE_/i.test(name) && !elsewhere.test(name) && !settings.some((known) => known.name === name))
    .map((name) => {
      const known = nearestTo(name.toUpperCase())
      const advice = known === undefined ? "run floe config to list all settings" : `did you mean ${known}?`
      return `${name} is not a setting of Floe and is ignored; ${advice}${advice.endsWith("?") ? "" : "."}`
    })

export const warn = Effect.suspend(() =>
  Effect.forEach(warningsOf(Object.keys(process.env)), (warning) => Console.error(warning), { discard: true })
)
