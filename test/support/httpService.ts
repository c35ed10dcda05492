/** A small HTTP server that stands in for an external service. */
import { createServer, type IncomingMessage } from "node:http"
import { Effect } from "effect"

export interface Request {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

export interface Answer {
  readonly status: number
  readonly body: string
}

/** `answer` returns undefined to let the request hang, and "gone" to break the connection. */
export const serving = (answer: (request: Request, base: string) => Answer | "gone" | undefined | Promise<Answer>) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly base: string; readonly seen: ReadonlyArray<Request>; readonly close: () => void }>(
      (resume) => {
        const seen: Array<Request> = []
        let base = ""
        const server = createServer((incoming, response) => {
          let body = ""
          incoming.setEncoding("utf8").on("data", (text) => (body += text))
          incoming.on("end", async () => {
            const { method = "", url = "", headers } = incoming
            const request = { method, url, headers, body }
            seen.push(request)
            const answered = await answer(request, base)
            if (answered === "gone") incoming.socket.destroy()
            else if (answered !== undefined) response.writeHead(answered.status).end(answered.body)
          })
        })
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          base = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
          resume(Effect.succeed({ base, seen, close }))
        })
      }
    ),
    ({ close }) => Effect.sync(close)
  )
