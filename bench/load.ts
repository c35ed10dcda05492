/** A closed-loop HTTP load over raw keep-alive sockets: cheap enough to measure the server and not the load. */
import { connect } from "node:net"

export interface Load {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  /** Not counted; the server compiles its code meanwhile. */
  readonly warmUpSeconds: number
  /** The bytes of the n-th request. */
  readonly request: (n: number) => Buffer
}

export interface LoadResult {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly refused: number
}

const headEnd = Buffer.from("\r\n\r\n")
const lengthHeader = /content-length: (\d+)/i

/** Sends the next request on a connection once the last one is answered. Latencies are milliseconds from the write to the whole answer. */
export const run = (load: Load): Promise<LoadResult> =>
  new Promise((resolve, reject) => {
    const started = performance.now()
    const counted = started + load.warmUpSeconds * 1000
    const end = counted + load.seconds * 1000
    const latencies: Array<number> = []
    let refused = 0
    let sent = 0
    let open = load.connections

    const finish = () => {
      latencies.sort((a, b) => a - b)
      const at = (q: number) => latencies[Math.floor(latencies.length * q)] ?? Number.NaN
      resolve({ perSecond: latencies.length / load.seconds, p50: at(0.5), p99: at(0.99), refused })
    }

    for (let i = 0; i < load.connections; i++) {
      const socket = connect(load.port, "127.0.0.1")
      socket.setNoDelay(true)
      let since = 0
      let pending: Buffer | undefined
      const send = () => {
        since = performance.now()
        socket.write(load.request(sent++))
      }
      socket.on("connect", send)
      socket.on("error", reject)
      socket.on("data", (chunk) => {
        const data = pending ? Buffer.concat([pending, chunk]) : chunk
        const head = data.indexOf(headEnd)
        const text = head < 0 ? "" : data.toString("latin1", 0, head)
        const length = Number(lengthHeader.exec(text)?.[1] ?? 0)
        if (head < 0 || data.length < head + 4 + length) {
          pending = data
          return
        }
        pending = undefined
        const now = performance.now()
        if (!text.startsWith("HTTP/1.1 200")) refused++
        else if (now >= counted && now < end) latencies.push(now - since)
        if (now < end) return send()
        socket.end()
        if (--open === 0) finish()
      })
    }
  })
