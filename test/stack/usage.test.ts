/** Runs every command of the README's distributed profile verbatim. */
import { assert, test } from "vitest"
import { shell, terminal } from "./docker.ts"
import { until } from "./weather.ts"

const eventually = (line: string, wanted: RegExp, seconds = 120) =>
  until(
    line,
    () => shell(line),
    (output) => wanted.test(output),
    { seconds }
  )

test("log a record, and find it in the table through Trino's command line", async () => {
  const logged = JSON.parse(await shell('curl -s "http://localhost:9998/log?city=TestCity&temperature=75.5"'))
  assert.strictEqual(logged.status, "success")
  assert.strictEqual(logged.message, "Weather data logged")
  assert.strictEqual(logged.data.city, "TestCity")
  assert.strictEqual(logged.data.temperature, "75.5")
  assert.match(logged.data.ts, /^\d{4}-\d\d-\d\d-\d\d$/)
  assert.deepStrictEqual(JSON.parse(await shell("curl -s http://localhost:9998/health")), { status: "healthy" })

  await eventually(
    `docker exec trino trino --execute "SELECT * FROM iceberg.default.weather WHERE city = 'TestCity'"`,
    /"TestCity","75\.5","\d{4}-\d\d-\d\d-\d\d"/
  )
})

test("docker exec -it trino trino, and the five statements typed into it", async () => {
  const hour = new Date().toISOString().slice(0, 13).replace("T", "-")
  const rest = [
    "SHOW CATALOGS;",
    "SHOW TABLES FROM iceberg.default;",
    "SELECT * FROM iceberg.default.weather;",
    `SELECT * FROM iceberg.default.weather WHERE ts = '${hour}';`,
    "SELECT city, AVG(CAST(temperature AS DOUBLE)) as avg_temp FROM iceberg.default.weather GROUP BY city;",
    "quit"
  ]
  const output = await terminal("docker exec -it trino trino", (shown) => {
    // A pager shows output that is longer than the screen; q leaves it.
    if (/(^|\n|\r)(:|\(END\))\s*$/.test(shown)) return "q"
    if (!shown.endsWith("trino> ")) return undefined
    return `${rest.shift()}\n`
  })
  assert.deepStrictEqual(rest, [])
  assert.match(output, /^ ?iceberg\s*$/m)
  assert.match(output, /^ ?weather\s*$/m)
  assert.strictEqual(output.match(/city\s+\|\s+temperature\s+\|\s+ts/g)?.length, 2)
  assert.match(output, /city\s+\|\s+avg_temp/)
  assert.notMatch(output, /failed:/i)
})

test.each(["client", ""])("docker compose logs -f %s follows new lines", async (service) => {
  const line = `docker compose logs -f ${service}`
  const before = (await shell(`docker compose logs client`)).match(/records acknowledged/g)?.length ?? 0
  // The client logs a line every 5 seconds; head ends the command as a person does.
  const output = await shell(
    `${line} | grep --line-buffered 'client .*records acknowledged' | head -n ${before + 2}`,
    90_000
  )
  assert.strictEqual(output.match(/records acknowledged/g)?.length, before + 2)
})

test.each(["logging-server", "kafka-connect"])("docker compose logs -f %s", async (service) => {
  // Ended as by Ctrl-C once a line has come: a quiet service writes no more, and so would never notice a closed pipe.
  const first = `exec 3< <(exec docker compose logs -f ${service}); follower=$!; read -r line <&3; kill -INT $follower; echo "$line"`
  assert.match(await shell(first), new RegExp(`^${service} +\\| `))
})

test("the command line in the server's container", async () => {
  assert.match(await shell("docker compose exec -T logging-server floe connector status"), /^iceberg-sink {2}RUNNING/)
  const rows = await shell(
    `docker compose exec -T logging-server floe query --format csv "SELECT count(*) AS events FROM weather"`
  )
  assert.match(rows, /^events\r?\n\d+/)
})

test.each([
  ["http://localhost:9998/health", /healthy/],
  ["http://localhost:9001", /MinIO Console/],
  ["http://localhost:8083", /"version"/],
  ["http://localhost:8080/ui/", /Trino|login/i]
])("%s answers", async (address, wanted) => {
  const response = await fetch(address)
  assert.strictEqual(response.status, 200)
  assert.match(await response.text(), wanted)
})

test("the connector's state, and its task restarted", async () => {
  const status = "curl -s http://localhost:8083/connectors/iceberg-sink/status"
  const running = /"connector":\{"state":"RUNNING".*"tasks":\[\{"id":0,"state":"RUNNING"/
  await eventually(status, running)
  const answer = await shell(
    "curl -s -o /dev/null -w '%{http_code}' -X POST http://localhost:8083/connectors/iceberg-sink/tasks/0/restart"
  )
  assert.match(answer, /^20[024]$/)
  await eventually(status, running)
})

test("the topics", async () => {
  const output = await terminal("docker exec -it kafka kafka-topics --bootstrap-server localhost:9092 --list")
  for (const topic of ["weather", "weather-dlq", "control-iceberg"])
    assert.match(output, new RegExp(`^${topic}\\r?$`, "m"))
})

test("what is in the bucket", async () => {
  const output = await terminal("docker exec -it minio mc ls myminio/warehouse --recursive")
  assert.match(output, /default\/weather\/data\/.*\.parquet/)
  assert.match(output, /default\/weather\/metadata\/.*\.metadata\.json/)
})

test("the table is what it is declared to be", async () => {
  const output = await shell(
    `docker exec trino trino --output-format TSV --execute "SHOW CREATE TABLE iceberg.default.weather"`
  )
  const statement = output.replaceAll("\\n", "\n")
  assert.match(statement, /city varchar,\s+temperature varchar,\s+ts varchar\s+\)/)
  assert.include(statement, "format = 'PARQUET'")
  assert.include(statement, "location = 's3a://warehouse/default/weather'")
  assert.include(statement, "partitioning = ARRAY['ts']")
})
