/** The consumer group whose only member is the one `floe streams apply` that may run. */
export const applyLock = "floe-streams-apply"
/** While a member is in this group of Kafka, `floe processor rebuild` runs. */
export const processorRebuildLock = "floe-processor-rebuild"
