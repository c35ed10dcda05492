/** A page of ListObjectsV2, requested with `encoding-type=url`, which makes every name in it plain ASCII. */
import { parseXml, XmlElement } from "@rgrove/parse-xml"
import { Option, Result, Schema } from "effect"

export interface ListPage {
  readonly files: ReadonlyArray<{ readonly path: string; readonly bytes: number; readonly modifiedAt: number }>
  readonly folders: ReadonlyArray<string>
  /** The token of the next page; none after the last. */
  readonly next: Option.Option<string>
}

class NoListPage extends Schema.TaggedError<NoListPage>()("NoListPage", { reason: Schema.String }) {}

const elements = (parent: XmlElement, name: string) =>
  parent.children.filter((child) => child instanceof XmlElement).filter((child) => child.name === name)

const text = (parent: XmlElement, name: string) => {
  const [element] = elements(parent, name)
  if (element === undefined) throw new NoListPage({ reason: `no ${name}` })
  return element.text
}

const decoded = (name: string) => decodeURIComponent(name.replaceAll("+", " "))

const fileOf = (contents: XmlElement) => {
  const bytes = Number(text(contents, "Size"))
  const modifiedAt = Date.parse(text(contents, "LastModified"))
  if (!Number.isSafeInteger(bytes) || Number.isNaN(modifiedAt))
    throw new NoListPage({ reason: "an invalid size or time" })
  return { path: decoded(text(contents, "Key")), bytes, modifiedAt }
}

export const parse = (xml: string): Result.Result<ListPage, unknown> =>
  Result.try(() => {
    const { root } = parseXml(xml)
    if (root?.name !== "ListBucketResult") throw new NoListPage({ reason: "no ListBucketResult" })
    const [token] = elements(root, "NextContinuationToken")
    return {
      files: elements(root, "Contents").map(fileOf),
      folders: elements(root, "CommonPrefixes").map((prefix) => decoded(text(prefix, "Prefix"))),
      next: Option.fromUndefinedOr(token?.text)
    }
  })
