/** The tables of docs/configuration.md, from the settings' own descriptions. */
import { type Setting, settings } from "../../../services/Settings.ts"

const row = ({ name, byDefault, without, readBy, meaning }: Setting) =>
  `| \`${name}\` | ${byDefault === undefined ? without : `\`${byDefault}\``} | ${readBy} | ${meaning} |`

const table = (profile: Setting["profile"]) =>
  [
    "| variable | default | read by | meaning |",
    "|---|---|---|---|",
    ...settings.filter((setting) => setting.profile === profile).map(row)
  ].join("\n")

const tables: Record<string, string> = {
  common: table(undefined),
  embedded: table("embedded"),
  distributed: table("distributed")
}

/** The page with its tables made anew, between the comments that name them. */
export const withTables = (page: string) =>
  page.replace(/<!-- settings: (\w+) -->\n[\s\S]*?<!-- end -->/g, (found, name: string) =>
    tables[name] === undefined ? found : `<!-- settings: ${name} -->\n${tables[name]}\n<!-- end -->`
  )
