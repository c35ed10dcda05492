import { Duration } from "effect"
import type { TopicRetention } from "../../../services/Topics.ts"
import { size } from "./listing.ts"

/** A topic's retention in a few words. */
export const formatRetention = ({ millis, bytes, cleanup }: TopicRetention) => {
  const limits = [
    ...(cleanup.includes("compact") ? ["last of each key"] : []),
    ...(millis === null ? [] : [Duration.format(Duration.millis(millis))]),
    ...(bytes === null ? [] : [`${size(bytes)} a partition`])
  ]
  return limits.length === 0 ? "forever" : limits.join(", ")
}
