/** The OpenAPI document of the server with its streams. */
import * as OpenApi from "effect/http-api/OpenApi"
import { Api, maxRecords, ndjsonTypes, streamEventsPath } from "../../../services/Api.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { objectOf } from "./columnSchema.ts"

/** Components are named in ASCII letters, as stream names are. */
const componentOf = (name: string) => `Event_${name}`

const eventsOf = (
  template: OpenApi.OpenAPISpecOperation,
  { definition: { name, doc } }: AppliedStream
): OpenApi.OpenAPISpecOperation => {
  const event = { $ref: `#/components/schemas/${componentOf(name)}` }
  const array = { type: "array", items: event, minItems: 1, maxItems: maxRecords }
  const lines = Object.fromEntries(ndjsonTypes.map((type) => [type, { schema: { type: "string" } }]))
  return {
    ...template,
    operationId: `streamEvents_${name}`,
    parameters: template.parameters.filter((parameter) => parameter.in !== "path"),
    summary: `Log up to ${maxRecords.toLocaleString("en-US")} events of ${name}, all or none`,
    description: [doc, template.description].filter((text) => text !== undefined).join("\n\n"),
    requestBody: {
      required: true,
      content: { ...lines, "application/json": { schema: { anyOf: [array, event] } } }
    }
  }
}

/** Beside the paths of every server, one with the columns of each stream but weather, which has `POST /events`. */
export const documentOf = (streams: ReadonlyArray<AppliedStream>): OpenApi.OpenAPISpec => {
  const base = OpenApi.fromApi(Api)
  const template = base.paths[streamEventsPath]?.post
  const others = template === undefined ? [] : streams.filter(({ definition }) => definition.name !== "weather")
  const paths = others.map((stream) => [
    streamEventsPath.replace("{name}", stream.definition.name),
    template === undefined ? {} : { post: eventsOf(template, stream) }
  ])
  const schemas = others.map(({ definition }) => [componentOf(definition.name), objectOf(definition.columns)])
  return {
    ...base,
    paths: { ...base.paths, ...Object.fromEntries(paths) },
    components: { ...base.components, schemas: { ...base.components.schemas, ...Object.fromEntries(schemas) } }
  }
}

/** The API with this document, for the documentation page. */
export const documentedBy = (document: OpenApi.OpenAPISpec) =>
  Api.annotateMerge(OpenApi.annotations({ transform: () => ({ ...document }) }))
