/** The package `floe`: what a module of streams imports. */
export * as Column from "./Column.ts"
export * as Partition from "./Partition.ts"
export * as Processor from "./Processor.ts"
export * as Stream from "./Stream.ts"
export * as Window from "./Window.ts"
export { Weather } from "./weather.ts"
