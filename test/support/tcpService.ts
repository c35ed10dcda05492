/** A small TCP server that stands in for an external service. */
import { createServer, type Socket } from "node:net"
import { Effect } from "effect"

/** Calls `answer` with the received bytes. Returns its address, `host:port`. */
export const listening = (answer: (question: Buffer, socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly place: string; readonly open: () => number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket))
        socket.on("error", () => {})
        socket.on("data", (question) => answer(question, socket))
      })
      const close = () => {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ place: `127.0.0.1:${port}`, open: () => sockets.size, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
