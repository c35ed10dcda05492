/** ZooKeeper as it answers `srvr`, one of its words of four letters. */
import { Effect, Schema } from "effect"
import { type Address, exchange } from "../../runtime/tcpExchange.ts"

class NotServing extends Schema.TaggedError<NotServing>()("NotServing", {}) {
  override get message() {
    return "it runs and serves nobody: it waits for most of the other ZooKeepers"
  }
}

/** Where `srvr` is not allowed the version is not told. */
const answerOf = (bytes: Buffer) => {
  const [line, ...more] = bytes.toString("latin1").split("\n")
  const version = /^Zookeeper version: ([^\s,-]+)/.exec(line ?? "")?.[1]
  if (version !== undefined) return more.length === 0 ? undefined : { version, serving: true }
  if (line?.startsWith("srvr is not executed")) return { version: null, serving: true }
  if (line?.startsWith("This ZooKeeper instance is not currently serving")) return { version: null, serving: false }
  if (bytes.length < 100 && more.length === 0) return undefined
  throw new Error("it is not ZooKeeper's")
}

/** Its version, null where it does not tell. */
export const version = Effect.fnUntraced(function* (address: Address) {
  const { version, serving } = yield* exchange(address, Buffer.from("srvr"), answerOf)
  return serving ? version : yield* new NotServing()
})
