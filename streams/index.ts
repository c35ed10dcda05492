/** The package `floe`: what a module of streams imports. */
export * as Column from "./Column.ts"
export * as Partition from "./Partition.ts"
export * as Stream from "./Stream.ts"
