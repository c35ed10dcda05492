/** Whether PostgreSQL answers, without a user or a password. */
import { type Address, exchange } from "./Exchange.ts"

/** SSLRequest of its protocol: a length of 8, and the number that stands for it. */
const question = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

/** By one byte it says whether it speaks TLS. */
export const answers = (address: Address) =>
  exchange(address, question, (bytes) => {
    const said = bytes.toString("latin1")
    if (said === "S" || said === "N") return true
    throw new Error("it is not PostgreSQL's")
  })
