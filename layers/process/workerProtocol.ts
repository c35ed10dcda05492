/** The exit code of a worker whose module declares no processor. */
export const nothingToRun = 78
