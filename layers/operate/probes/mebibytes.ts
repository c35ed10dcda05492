export const mebibytes = (bytes: number) => `${Math.floor(bytes / 2 ** 20).toLocaleString("en-US")} MiB`
