/** The consumer group whose only member is the one `floe streams apply` that may run. */
export const applyLock = "floe-streams-apply"
