/** A page of ListObjectsV2, asked for with `encoding-type=url`: then every name in it is plain ASCII. */
import { Option, Result, Schema } from "effect"

export interface ListPage {
  readonly files: ReadonlyArray<{ readonly path: string; readonly bytes: number; readonly modifiedAt: number }>
  readonly folders: ReadonlyArray<string>
  /** For the page after it; none after the last. */
  readonly next: Option.Option<string>
}

class NoListPage extends Schema.TaggedError<NoListPage>()("NoListPage", { reason: Schema.String }) {}

const elements = (xml: string, name: string) =>
  Array.from(xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, "gs")), ([, content = ""]) => content)

const element = (xml: string, name: string) => {
  const [content] = elements(xml, name)
  if (content === undefined) throw new NoListPage({ reason: `no ${name}` })
  return content
}

const decoded = (name: string) => decodeURIComponent(name.replaceAll("+", " "))

const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }

/** The token is the one text that is not encoded for a URL. */
const unescaped = (text: string) =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return entities[name] ?? whole
    return String.fromCodePoint(Number.parseInt(hex ?? decimal, hex === undefined ? 10 : 16))
  })

const fileOf = (contents: string) => {
  const bytes = Number(element(contents, "Size"))
  const modifiedAt = Date.parse(element(contents, "LastModified"))
  if (!Number.isSafeInteger(bytes) || Number.isNaN(modifiedAt))
    throw new NoListPage({ reason: "a broken size or time" })
  return { path: decoded(element(contents, "Key")), bytes, modifiedAt }
}

export const parse = (xml: string): Result.Result<ListPage, unknown> =>
  Result.try(() => {
    const page = element(xml.replace(/<ListBucketResult [^>]*>/, "<ListBucketResult>"), "ListBucketResult")
    return {
      files: elements(page, "Contents").map(fileOf),
      folders: elements(page, "CommonPrefixes").map((prefix) => decoded(element(prefix, "Prefix"))),
      next: Option.map(Option.fromUndefinedOr(elements(page, "NextContinuationToken")[0]), unescaped)
    }
  })
