/**
 * The servers that Floe's is compared with: `node bench/floor.ts bare` parses the same query and answers the same JSON without a log;
 * `fsync` also writes each group of answers to a file and calls fdatasync once per group. Prints its port.
 */
import { fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { createServer, type ServerResponse } from "node:http"
import { join } from "node:path"

const kind = process.argv[2]
const folder = mkdtempSync(join(process.env.FLOE_DATA ?? ".", "floor-"))
const file = openSync(join(folder, "log"), "w")
process.on("exit", () => rmSync(folder, { recursive: true }))
process.on("SIGTERM", () => process.exit())

const answer = (response: ServerResponse, body: string) => {
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store"
  })
  response.end(body)
}

let group: Array<{ readonly response: ServerResponse; readonly body: string }> = []
const flush = () => {
  const written = group
  group = []
  writeSync(file, written.map((_) => _.body).join("\n"))
  fdatasyncSync(file)
  for (const { response, body } of written) answer(response, body)
}

const server = createServer((request, response) => {
  const url = request.url ?? ""
  const query = new URLSearchParams(url.slice(url.indexOf("?") + 1))
  const body = JSON.stringify({
    status: "success",
    message: "Weather data logged",
    data: { city: query.get("city"), temperature: query.get("temperature"), ts: "2026-01-08-14" }
  })
  if (kind === "bare") return answer(response, body)
  if (group.length === 0) setImmediate(flush)
  group.push({ response, body })
})

server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (address !== null && typeof address === "object") console.log(`listening on ${address.port}`)
})
