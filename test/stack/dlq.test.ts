/** Records that the connector rejects are listed, shown, corrected and redriven, and land in the table once. */
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, assert, beforeAll, test } from "vitest"
import { built, floe as command, run } from "../support/program.ts"
import { docker, shell } from "./docker.ts"
import { create, remove, written } from "./kafkaTopic.ts"
import { landed, server, until } from "./weather.ts"

const mark = `dlq-${randomUUID()}`
const folder = mkdtempSync(join(tmpdir(), "floe-dlq-"))

const floe = (args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.runPromise(command(["dlq", ...args], { FLOE_PROFILE: "distributed", ...env }))

const binary = Buffer.from([0xff, 0xfe, 0x00, 0x1b, 0x5b, 0x33, 0x31, 0x6d, 0x80])

/** City and temperature of everything that is sent again. */
const expected: Array<string> = []
/** The same with the hour, if the command reported it. */
const acknowledged: Array<string> = []

/** By the key of each record. */
const bad = {
  text: { value: Buffer.from(`${mark} \x1b[31mhello`), reason: "not JSON" },
  number: { value: Buffer.from("42"), reason: "the value is a number" },
  temperature: {
    value: Buffer.from(`{"city":"${mark} temperature","temperature":true,"ts":"2026-01-08-14"}`),
    reason: "temperature is a boolean"
  },
  digits: {
    value: Buffer.from(`{"city":"${mark} digits","temperature":1.50,"ts":"2026-01-08-14"}`),
    reason: "temperature is a number"
  },
  city: { value: Buffer.from('{"temperature":"2.5","ts":"2026-01-08-14"}'), reason: "city is missing" },
  binary: { value: binary, reason: "not JSON" },
  surplus: {
    value: Buffer.from(`{"city":"${mark} surplus","temperature":"3.5","ts":"2026-01-08-14","note":"x"}`),
    reason: "the value has 4 fields"
  },
  nothing: { value: null, reason: "the value is null" }
}
type Name = keyof typeof bad
const isName = (name: string): name is Name => name in bad
const names = Object.keys(bad).filter(isName)

/** The position of each dead letter, and its position in the log, from Kafka's own command line. */
const places = new Map<Name, { readonly position: string; readonly source: string }>()

const found = async () => {
  const output = await docker(
    "exec",
    "kafka",
    "bash",
    "-c",
    "kafka-console-consumer --bootstrap-server localhost:9092 --topic weather-dlq --from-beginning --timeout-ms 4000 --property print.headers=true --property print.partition=true --property print.offset=true --property print.key=true --property print.value=false 2>/dev/null || true"
  )
  for (const letter of output.split(/^(?=Partition:)/m)) {
    const [, partition, offset] = /^Partition:(\d+)\tOffset:(\d+)\t/.exec(letter) ?? []
    const [, from] = /__connect\.errors\.offset:(\d+)/.exec(letter) ?? []
    const name = names.find((name) => letter.includes(`\t${mark} ${name}\n`))
    if (name !== undefined) places.set(name, { position: `${partition}/${offset}`, source: `weather/0/${from}` })
  }
  return places.size
}

const placeOf = (name: Name) => {
  const place = places.get(name)
  assert(place !== undefined, name)
  return place
}

beforeAll(async () => {
  const messages = names.flatMap((name) => {
    const { value } = bad[name]
    return value === null ? [] : [{ key: `${mark} ${name}`, value }]
  })
  await Effect.runPromise(written("weather", messages))
  await shell(
    `echo '${mark} nothing:NULL' | docker exec -i kafka kafka-console-producer --bootstrap-server localhost:9092 --topic weather --property parse.key=true --property key.separator=: --property null.marker=NULL`
  )
  await until("the dead letters", found, (count) => count === names.length)
})

afterAll(() => rmSync(folder, { recursive: true }))

interface Line {
  readonly position: string
  readonly key: string | null
  readonly [name: string]: unknown
}

const linesOf = (output: string): ReadonlyArray<Line> =>
  output
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

const ours = async (...options: ReadonlyArray<string>) => {
  const { code, out } = await floe(["list", "--json", ...options])
  assert.strictEqual(code, 0)
  const lines = linesOf(out).filter(({ key }) => key?.startsWith(mark))
  return new Map(lines.map((line) => [line.key?.slice(mark.length + 1) ?? "", line]))
}

test("each is listed with its place in the log, the reason and the beginning of its value", async () => {
  const { code, out } = await floe(["list"])
  assert.strictEqual(code, 0)
  assert.notInclude(out, "\x1b")
  const rows = out.split("\n").map((line) => line.split(" | ").map((cell) => cell.trim()))
  for (const name of names) {
    const { position, source } = placeOf(name)
    const row = rows.find(([first]) => first === position)
    assert.deepStrictEqual([row?.[2], row?.[3]], [source.slice("weather/".length), bad[name].reason], name)
  }
  assert.include(out, `${mark} ␛[31mhello`)
  assert.include(out, `0x${binary.toString("hex")}`)

  const listed = await ours()
  assert.deepStrictEqual([...listed.keys()].sort(), [...names].sort())
  for (const [name, line] of listed) {
    assert(isName(name))
    assert.strictEqual(line.source, placeOf(name).source)
    assert.strictEqual(line.reason, bad[name].reason)
    assert.match(String(line.trace), /DataException/)
  }
  assert.strictEqual(listed.get("temperature")?.city, `${mark} temperature`)
  assert.isNull(listed.get("temperature")?.temperature)
  assert.strictEqual(listed.get("digits")?.temperature, "1.50")
  assert.strictEqual((await floe(["list", "--all", "--json", "--limit", "2"])).out.split("\n").length, 3)
})

test("each is shown byte for byte, and to people without control characters", async () => {
  for (const name of ["binary", "text", "nothing"] as const) {
    const line = `FLOE_PROFILE=distributed ${process.execPath} ${built("admin")} dlq show ${placeOf(name).position} --raw | base64 -w0`
    assert.strictEqual(await shell(line), bad[name].value?.toString("base64") ?? "")
  }
  const { code, out } = await floe(["show", placeOf("text").position])
  assert.strictEqual(code, 0)
  assert.notInclude(out, "\x1b")
  for (const part of [placeOf("text").source, "iceberg-sink", "Unrecognized token", `${mark} ␛[31mhello`]) {
    assert.include(out, part)
  }
  const nowhere = await floe(["show", "0/999999999"])
  assert.strictEqual(nowhere.code, 1)
  assert.match(nowhere.err, /^There is no dead letter at weather-dlq\/0\/999999999: .*\n$/)
})

test("they are corrected by flags or a file, or sent as they are, and only once", async () => {
  const redriven = async (...args: ReadonlyArray<string>) => {
    const { code, out } = await floe(["redrive", "--json", ...args])
    return { code, sent: linesOf(out) }
  }
  const { position } = placeOf("temperature")
  const uncorrected = await redriven(position)
  assert.strictEqual(uncorrected.code, 1)
  assert.strictEqual(uncorrected.sent[0]?.reason, "temperature must be a number, or a string that holds one")

  const sent = [
    await redriven(position, "--temperature", "1.50"),
    await redriven(placeOf("city").position, "--city", `${mark} city`),
    await redriven(placeOf("surplus").position),
    // The digits of a number stay as they were written.
    await redriven(placeOf("digits").position)
  ].flatMap(({ code, sent }) => {
    assert.strictEqual(code, 0)
    return sent
  })
  const again = await floe(["redrive", position, "--temperature", "1.50"])
  assert.strictEqual(again.code, 1)
  assert.include(
    again.out,
    `${position}: it was already sent and is at ${sent[0]?.at}; use --again to send it once more.`
  )

  const file = join(folder, "corrected.ndjson")
  const waiting = await ours()
  assert.deepStrictEqual([...waiting.keys()].sort(), ["binary", "nothing", "number", "text"])
  const corrected = [...waiting].map(([name, line]) => ({ ...line, city: `${mark} ${name}`, temperature: "4.5" }))
  writeFileSync(file, corrected.map((line) => `${JSON.stringify(line)}\n`).join(""))
  const ofFile = await redriven("--file", file)
  assert.strictEqual(ofFile.code, 0)
  assert.strictEqual(ofFile.sent.length, 4)
  assert.deepStrictEqual(await floe(["redrive", "--file", file]), {
    code: 0,
    out: "4 were already sent and were skipped.\n",
    err: ""
  })
  const once = await redriven(position, "--temperature", "1.50", "--again")
  assert.strictEqual(once.code, 0)

  assert.deepStrictEqual([...(await ours())], [])
  assert.strictEqual((await ours("--all")).get("surplus")?.redrives?.toString(), String(sent[2]?.at))
  for (const { city, temperature, ts } of [...sent, ...ofFile.sent, ...once.sent]) {
    expected.push(`${city}\t${temperature}`)
    acknowledged.push(`${city}\t${temperature}\t${ts}`)
  }
  assert.strictEqual(new Set(expected).size, names.length)
})

/** Forwards requests to the logging server, and runs an action before it passes on the n-th answer. */
const between = async (answers: number, act: () => void) => {
  let count = 0
  const proxy = createServer(async (request, response) => {
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk)
    const headers = {
      "content-type": "application/json",
      "idempotency-key": String(request.headers["idempotency-key"])
    }
    const answer = await fetch(`${server}${request.url}`, { method: "POST", headers, body: Buffer.concat(chunks) })
    const body = await answer.text()
    if (++count === answers) act()
    if (count >= answers) return void request.destroy()
    response.writeHead(answer.status, { "content-type": "application/json" }).end(body)
  })
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve))
  const { port } = proxy.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => proxy.close() }
}

test("killed between sending and noting it, and then given twice at once, nothing is left", async () => {
  const topic = `x-test-${randomUUID()}`
  const count = 40
  const env = { FLOE_PROFILE: "distributed", FLOE_TOPIC: topic }
  await Effect.runPromise(create(`${topic}-dlq`, 1))
  try {
    const cities = Array.from({ length: count }, (_, i) => `${mark} killed ${i}`)
    expected.push(...cities.map((city) => `${city}\t5.5`))
    const values = cities.map((city) => Buffer.from(`{"city":"${city}","temperature":"5.5","more":0}`))
    await Effect.runPromise(
      written(
        `${topic}-dlq`,
        values.map((value) => ({ key: null, value }))
      )
    )

    const killed = Effect.gen(function* () {
      let kill = () => {}
      const proxy = yield* Effect.acquireRelease(
        Effect.promise(() => between(20, () => kill())),
        ({ close }) => Effect.sync(close)
      )
      const args = [built("admin"), "dlq", "redrive", "--all", "--json"]
      const program = yield* run(process.execPath, args, { ...env, FLOE_TARGET: proxy.url })
      kill = () => program.signal("SIGKILL")
      const { signal } = yield* Effect.promise(() => program.ended)
      assert.strictEqual(signal, "SIGKILL")
    }).pipe(Effect.scoped)
    await Effect.runPromise(killed)

    const both = await Promise.all([
      floe(["redrive", "--all", "--json"], env),
      floe(["redrive", "--all", "--json"], env)
    ])
    assert.deepStrictEqual(
      both.map(({ code }) => code),
      [0, 0]
    )
    assert.isTrue(linesOf(both.map(({ out }) => out).join("")).some(({ repeated }) => repeated === true))
    const nothing = `Nothing is waiting: all ${count} dead letters were sent again; --all shows them.\n`
    assert.deepStrictEqual(await floe(["list"], env), { code: 0, out: nothing, err: "" })
  } finally {
    await Effect.runPromise(remove(`${topic}-dlq`))
  }
})

test("and each is in the table once", async () => {
  const { rows } = await landed(mark, [])
  assert.deepStrictEqual(rows.map((row) => row.replace(/\t[^\t]*$/, "")).sort(), expected.sort())
  for (const row of acknowledged) assert.include(rows, row)
})
