/**
 * What a processor must give for a log, written from docs/processing.md's rule alone: it keeps every window with the events in
 * it and looks at all of them after each event. It imports nothing of the product.
 */
export interface Rule {
  readonly window:
    | { readonly type: "tumbling"; readonly size: number }
    | { readonly type: "hopping"; readonly size: number; readonly every: number }
    | { readonly type: "session"; readonly gap: number }
  readonly outOfOrder: number
  readonly lateness: number
}

export interface TimedEvent {
  readonly id: string
  readonly key: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** No event, but a moment at which windows close by the clock. */
  readonly isTick?: boolean
}

interface ExpectedWindow {
  readonly key: string
  start: number
  end: number
  /** The events in the order in which they were added; joined sessions are put in parentheses. */
  events: string
  count: number
}

interface Expected {
  /** Each with the index of the event that closed it. */
  readonly closed: ReadonlyArray<ExpectedWindow & { readonly by: number }>
  readonly late: ReadonlyArray<string>
  readonly open: ReadonlyArray<ExpectedWindow>
  readonly watermark: number
}

const bytes = (text: string) => Buffer.from(text, "utf8")

export const expectedWindows = ({ lateness, outOfOrder, window }: Rule, log: ReadonlyArray<TimedEvent>): Expected => {
  let open: Array<ExpectedWindow> = []
  const closed: Array<ExpectedWindow & { by: number }> = []
  const late: Array<string> = []
  let watermark = -Infinity
  const isClosed = (end: number) => end + lateness <= watermark

  log.forEach(({ at, id, isTick, key }, by) => {
    if (isTick === true) {
      // It belongs to no window.
    } else if (window.type === "session") {
      const joined = open
        .filter((one) => one.key === key && one.end > at && one.start < at + window.gap)
        .sort((a, b) => a.start - b.start)
      const [first, ...others] = joined
      if (first === undefined) {
        if (isClosed(at + window.gap)) late.push(id)
        else open.push({ key, start: at, end: at + window.gap, events: id, count: 1 })
      } else {
        first.events += ` ${id}`
        first.count += 1
        first.start = Math.min(first.start, at)
        first.end = Math.max(first.end, at + window.gap)
        for (const other of others) {
          first.events = `(${first.events}) + (${other.events})`
          first.count += other.count
          first.end = Math.max(first.end, other.end)
          open = open.filter((one) => one !== other)
        }
      }
    } else {
      const every = window.type === "hopping" ? window.every : window.size
      const starts: Array<number> = []
      for (let n = Math.ceil((at - window.size) / every) - 1; n * every <= at; n++) {
        const start = n * every
        if (start <= at && at < start + window.size && !isClosed(start + window.size)) starts.push(start)
      }
      if (starts.length === 0) late.push(id)
      for (const start of starts) {
        const known = open.find((one) => one.key === key && one.start === start)
        if (known === undefined) open.push({ key, start, end: start + window.size, events: id, count: 1 })
        else {
          known.events += ` ${id}`
          known.count += 1
        }
      }
    }
    watermark = Math.max(watermark, at - outOfOrder)
    const done = open.filter(({ end }) => isClosed(end))
    open = open.filter(({ end }) => !isClosed(end))
    done.sort((a, b) => a.end - b.end || Buffer.compare(bytes(a.key), bytes(b.key)) || a.start - b.start)
    closed.push(...done.map((one) => ({ ...one, by })))
  })
  return { closed, late, open, watermark }
}
