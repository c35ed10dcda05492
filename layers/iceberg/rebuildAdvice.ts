/** What repairs a table whose rows cannot all be read; the log has them. */
export const rebuildCommand = "floe replay --into weather_again --swap"
