/** `npm run test:nightly` repeats the kills that `npm test` makes once; each hits another moment. */
export const nightly = process.env.FLOE_NIGHTLY === "1"
