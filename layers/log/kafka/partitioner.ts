/** Kafka's murmur2 and the partition that Java's producer gives a key, so that a key has the same partition for every writer. */

const seed = 0x9747b28c
const multiplier = 0x5bd1e995

export const murmur2 = (data: Buffer) => {
  const whole = data.length & ~3
  let hash = seed ^ data.length
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(data.readInt32LE(at), multiplier)
    word = Math.imul(word ^ (word >>> 24), multiplier)
    hash = Math.imul(hash, multiplier) ^ word
  }
  if (whole < data.length) {
    for (let at = data.length - 1; at >= whole; at--) hash ^= (data[at] ?? 0) << (8 * (at - whole))
    hash = Math.imul(hash, multiplier)
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier)
  return hash ^ (hash >>> 15)
}

export const partitionOf = (key: Buffer, partitions: number) => (murmur2(key) & 0x7fffffff) % partitions
