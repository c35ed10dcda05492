/** The state of the connector and its tasks, as a component. */
import type { ConnectorStatus } from "../../../services/Connector.ts"
import type { Probed } from "../probes/probeComponent.ts"

const firstLine = (trace: string) => trace.split("\n", 1)[0] ?? ""

export const ofConnector = (status: ConnectorStatus): Probed => {
  const { connector, tasks } = status
  const all = [connector, ...tasks]
  const states = [
    connector.state,
    ...(tasks.length === 0 ? ["no task yet"] : tasks.map(({ id, state }) => `task ${id} ${state}`))
  ].join(", ")
  const is = (...wanted: ReadonlyArray<string>) => all.some(({ state }) => wanted.includes(state))
  if (is("FAILED")) {
    const trace = all.find(({ trace }) => trace !== null)?.trace ?? null
    return { state: "down", detail: trace === null ? states : `${states}: ${firstLine(trace)}`, connector: status }
  }
  if (is("PAUSED", "STOPPED")) return { state: "paused", detail: states, connector: status }
  const runs = tasks.length > 0 && all.every(({ state }) => state === "RUNNING")
  return { state: runs ? "up" : "starting", detail: states, connector: status }
}
