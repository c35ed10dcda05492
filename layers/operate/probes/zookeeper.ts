/**
 * ZooKeeper's answer to `srvr`, one of its four-letter words. Written by hand because npm's clients for ZooKeeper are
 * unmaintained or native, and do not send these.
 */
import { Effect, Schema } from "effect"
import { type Address, exchange } from "../../runtime/tcpExchange.ts"

class NotServing extends Schema.TaggedError<NotServing>()("NotServing", {}) {
  override get message() {
    return "it is running but serves no requests: it is waiting for a quorum of ZooKeeper servers"
  }
}

class NotZooKeeper extends Schema.TaggedError<NotZooKeeper>()("NotZooKeeper", {}) {
  override get message() {
    return "it is not ZooKeeper's"
  }
}

/** If `srvr` is not allowed, the version is null. */
const answerOf = (bytes: Buffer) => {
  const [line, ...more] = bytes.toString("latin1").split("\n")
  const version = /^Zookeeper version: ([^\s,-]+)/.exec(line ?? "")?.[1]
  if (version !== undefined) return more.length === 0 ? undefined : { version, serving: true }
  if (line?.startsWith("srvr is not executed")) return { version: null, serving: true }
  if (line?.startsWith("This ZooKeeper instance is not currently serving")) return { version: null, serving: false }
  if (bytes.length < 100 && more.length === 0) return undefined
  throw new NotZooKeeper()
}

/** Its version; null if it does not report it. */
export const version = Effect.fnUntraced(function* (address: Address) {
  const { version, serving } = yield* exchange(address, Buffer.from("srvr"), answerOf)
  return serving ? version : yield* new NotServing()
})
