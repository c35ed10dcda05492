/** Errors of the connections of a client of @platformatic/kafka. */
import type { ConnectionPoolEventPayload } from "@platformatic/kafka"

interface Client {
  readonly on: (
    event: "client:broker:connect" | "client:broker:failed",
    listener: (payload: ConnectionPoolEventPayload) => void
  ) => unknown
}

/**
 * The client listens for the first error of a connection only. A connection that was lost authenticates again when its time
 * has come, and fails once more: without a listener, that error would end the process.
 */
export const ignoreLateErrors = (client: Client) => {
  const listen = ({ connection }: ConnectionPoolEventPayload) => void connection.on("error", () => {})
  client.on("client:broker:connect", listen)
  client.on("client:broker:failed", listen)
}
