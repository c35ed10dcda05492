/** `npm run bench [name]`: without a name, runs all benchmarks that need only this machine. */
const alone = [
  "http",
  "checker",
  "door",
  "backlog",
  "typed",
  "freshness",
  "commits",
  "audit",
  "processors",
  "hourly",
  "rebuild"
]
/** These need the stack of compose.yaml. */
const names = [...alone, "kafka", "visible", "processors-kafka", "processors-by-key"]

const wanted = process.argv[2]
if (wanted !== undefined && !names.some((name) => name === wanted)) {
  console.error(`There is no benchmark "${wanted}". Choose one of ${names.join(", ")}.`)
  process.exit(2)
}
for (const name of names) {
  if (wanted === undefined ? alone.includes(name) : wanted === name) await import(`./${name}.ts`)
}
