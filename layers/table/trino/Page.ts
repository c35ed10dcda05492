/** A page of a statement's results, as Trino sends it. */
import { Schema } from "effect"

export interface TypeSignature {
  readonly rawType: string
  /** Numbers (for example a precision), element types, or named field types. */
  readonly arguments: ReadonlyArray<{ readonly kind: string; readonly value: Schema.Json }>
}

export const TypeSignature = Schema.Struct({
  rawType: Schema.String,
  arguments: Schema.Array(Schema.Struct({ kind: Schema.String, value: Schema.Json }))
})

const Column = Schema.Struct({ name: Schema.String, type: Schema.String, typeSignature: TypeSignature })
export type Column = typeof Column.Type

interface FailureInfo {
  readonly message?: string | null
  readonly cause?: FailureInfo | null
}

const FailureInfo: Schema.Codec<FailureInfo> = Schema.Struct({
  message: Schema.optionalKey(Schema.NullOr(Schema.String)),
  cause: Schema.optionalKey(Schema.NullOr(Schema.suspend((): Schema.Codec<FailureInfo> => FailureInfo)))
})

const Failure = Schema.Struct({
  message: Schema.optionalKey(Schema.NullOr(Schema.String)),
  errorName: Schema.String,
  errorType: Schema.String,
  failureInfo: Schema.optionalKey(FailureInfo)
})
export type Failure = typeof Failure.Type

/** The message of the last cause in the chain. */
export const rootOf = ({ failureInfo }: Failure) => {
  let root: string | undefined
  for (let info: FailureInfo | null | undefined = failureInfo; info; info = info.cause) root = info.message ?? root
  return root
}

export const Page = Schema.Struct({
  id: Schema.String,
  nextUri: Schema.optionalKey(Schema.String),
  columns: Schema.optionalKey(Schema.Array(Column)),
  data: Schema.optionalKey(Schema.Array(Schema.Unknown)),
  error: Schema.optionalKey(Failure)
})
export type Page = typeof Page.Type

const integer = /^-?\d+$/
/** Every integer that a number cannot hold has at least 16 digits. */
const manyDigits = /\d{16}/

const exact = (_key: string, value: unknown, context?: { readonly source?: string }) =>
  typeof value === "number" && !Number.isSafeInteger(value) && integer.test(context?.source ?? "")
    ? context?.source
    : value

/** Parses JSON; an integer that a number cannot hold becomes a string. The reviver makes parsing ten times slower (measured), so it runs only on texts with 16 digits in a row. */
export const parseExactly = (text: string): unknown => JSON.parse(text, manyDigits.test(text) ? exact : undefined)
