import { EventEmitter } from "node:events"
import { assert, it } from "@effect/vitest"
import { Connection } from "@platformatic/kafka"
import { ignoreLateErrors } from "../../../layers/log/kafka/connectionErrors.ts"

it("a connection may fail again after the client has seen its first error", () => {
  const client = new EventEmitter()
  ignoreLateErrors(client)
  for (const event of ["client:broker:connect", "client:broker:failed"]) {
    const connection = new Connection("floe")
    // As the client's own pool does.
    connection.once("error", () => {})
    client.emit(event, { broker: { host: "localhost", port: 9092 }, connection })
    for (const message of ["first", "second", "third"])
      assert.doesNotThrow(() => connection.emit("error", new Error(message)))
  }
})
