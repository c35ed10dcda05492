/** Where the metastore's own database, which shows a commit within milliseconds, has the metadata of a table. */
import { spawn } from "node:child_process"

/** Watches until it is stopped. Start it early: its program takes a moment. */
export const metadataMoves = (table: string) => {
  const where = `"TBL_ID" = (SELECT "TBL_ID" FROM "TBLS" WHERE "TBL_NAME" = '${table}') AND "PARAM_KEY" = 'metadata_location'`
  const look = `SELECT "PARAM_VALUE" FROM "TABLE_PARAMS" WHERE ${where}`
  const watch = spawn("docker", ["exec", "-i", "postgres", "psql", "-U", "hive", "-At", "hive"], {
    stdio: ["pipe", "pipe", "inherit"]
  })
  let place = ""
  let before = ""
  let resolve = () => {}
  watch.stdout.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n")) if (line.startsWith("s3")) place = line
    if (before === "") before = place
    if (place !== before) resolve()
  })
  watch.stdin.write(`${look} \\watch 0.02\n`)
  return {
    /** Until the table has other metadata than now. */
    next: () =>
      new Promise<void>((done) => {
        before = place
        resolve = done
      }),
    stop: () => watch.kill()
  }
}
