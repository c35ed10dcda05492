/** Where the metastore's own database, which shows a commit within milliseconds, has the metadata of a table. */
import { spawn } from "node:child_process"

/** Watches until the table has other metadata than when this was called. */
export const metadataMoves = (table: string) => {
  const where = `"TBL_ID" = (SELECT "TBL_ID" FROM "TBLS" WHERE "TBL_NAME" = '${table}') AND "PARAM_KEY" = 'metadata_location'`
  const look = `SELECT "PARAM_VALUE" FROM "TABLE_PARAMS" WHERE ${where}`
  const watch = spawn("docker", ["exec", "-i", "postgres", "psql", "-U", "hive", "-At", "hive"], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  const places = new Set<string>()
  const moved = new Promise<void>((resolve) =>
    watch.stdout.setEncoding("utf8").on("data", (text: string) => {
      for (const line of text.split("\n")) if (line.startsWith("s3")) places.add(line)
      if (places.size > 1) resolve()
    })
  )
  watch.stdin.write(`${look} \\watch 0.02\n`)
  return { moved, stop: () => watch.kill() }
}
