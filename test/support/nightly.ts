/** The nightly scripts run what takes long, and repeat the kills that the tests make once: each hits another moment. */
export const nightly = process.env.FLOE_NIGHTLY === "1"
