/** `npm run bench checker`: reading and checking bodies of 1,000 events of 8 typed columns, against JSON.parse of the same bodies. */
import { Result } from "effect"
import { make } from "../layers/ingest/checker/Checker.ts"
import { median, rounded } from "./programs.ts"
import { readings, readingsOf } from "./readings.ts"

const events = 1000
const bodies = Array.from({ length: 50 }, () => JSON.stringify(readingsOf(events)))
const checker = make(readings)

const check = (body: string) => {
  const { records } = checker.json(body, { accepted: undefined, all: false }).pipe(Result.getOrThrow)
  if (records.length !== events) throw new Error("the checker refuses the events")
}

const seconds = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Bodies in turn, so that other programs slow both down alike; in events per second of CPU time. */
const round = () => {
  let parse = 0
  let both = 0
  for (let i = 0; i < 20; i++) {
    const started = seconds()
    for (const body of bodies) JSON.parse(body)
    const parsed = seconds()
    for (const body of bodies) check(body)
    parse += parsed - started
    both += seconds() - parsed
  }
  const count = 20 * bodies.length * events
  return { parse: count / parse, both: count / both }
}

round()
const rounds = Array.from({ length: 7 }, round)
const parse = median(rounds.map((one) => one.parse))
const both = median(rounds.map((one) => one.both))
console.log(
  `${rounded(parse)} events/s by JSON.parse alone, ${rounded(both)} events/s read and checked: ` +
    median(rounds.map((one) => one.both / one.parse)).toFixed(2)
)
