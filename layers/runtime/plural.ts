/** `1 event`, `12,345 events`; `many` where it is not the one with an s. */
export const plural = (count: number, one: string, many = `${one}s`) =>
  `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`
