/** `npm run bench [name …]`: http, backlog, freshness, commits, audit; all of them without a name. */
const names = ["http", "backlog", "freshness", "commits", "audit"] as const

const wanted = process.argv[2]
if (wanted !== undefined && !names.some((name) => name === wanted)) {
  console.error(`There is no bench "${wanted}"; there are ${names.join(", ")}.`)
  process.exit(2)
}
for (const name of names) {
  if (wanted === undefined || wanted === name) await import(`./${name}.ts`)
}
