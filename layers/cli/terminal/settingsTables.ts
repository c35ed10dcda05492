/** The tables of docs/configuration.md, from the descriptions of the settings. */
import type { Setting } from "../../../services/Setting.ts"
import { settings } from "../../../services/Settings.ts"

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

/** Regenerates the tables of a page, between the comments that name them. */
export const withTables = (page: string) =>
  page.replace(/<!-- settings: (\w+) -->\n[\s\S]*?<!-- end -->/g, (match, name: string) =>
    tables[name] === undefined ? match : `<!-- settings: ${name} -->\n${tables[name]}\n<!-- end -->`
  )
