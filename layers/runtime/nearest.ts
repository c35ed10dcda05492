import { distance } from "fastest-levenshtein"

const furthest = 3

/** The name that differs least from a misspelt one, in at most three characters; undefined if none is so near. */
export const nearest = (name: string, names: ReadonlyArray<string>) => {
  const [first] = names
    .map((known) => ({ known, distance: distance(known, name) }))
    .toSorted((a, b) => a.distance - b.distance)
  return first !== undefined && first.distance <= furthest ? first.known : undefined
}
