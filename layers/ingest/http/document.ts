/** The OpenAPI document of the server with its streams. */

import * as OpenApi from "effect/http-api/OpenApi"
import type * as JsonSchema from "effect/JsonSchema"
import { Api, maxRecords, ndjsonTypes, streamEventsPath } from "../../../services/Api.ts"
import type { AppliedStream } from "../../../services/StreamDefinition.ts"
import { exampleEvent } from "../exampleEvent.ts"
import { objectOf } from "./columnSchema.ts"

/** Components are named in ASCII letters, as stream names are. */
const componentOf = (name: string) => `Event_${name}`

const operationIdOf = (name: string) => `streamEvents_${name}`

const media = (schema: JsonSchema.JsonSchema, example: unknown) => ({ schema, example })

const eventsOf = (
  template: OpenApi.OpenAPISpecOperation,
  { definition: { name, doc, columns } }: AppliedStream
): OpenApi.OpenAPISpecOperation => {
  const event = { $ref: `#/components/schemas/${componentOf(name)}` }
  const array = { type: "array", items: event, minItems: 1, maxItems: maxRecords }
  // The page sends the example as it is; one that it makes itself from the schema has numbers that are not exact.
  const example = exampleEvent(columns)
  const line = JSON.stringify(example)
  // Of a single line the page makes several.
  const twoLines = media(event, `${line}\n${line}`)
  const lines = Object.fromEntries(ndjsonTypes.map((type) => [type, twoLines]))
  return {
    ...template,
    operationId: operationIdOf(name),
    parameters: template.parameters.filter((parameter) => parameter.in !== "path"),
    summary: `Log up to ${maxRecords.toLocaleString("en-US")} events of ${name}, all or none`,
    description: [doc, template.description].filter((text) => text !== undefined).join("\n\n"),
    requestBody: {
      required: true,
      content: { "application/json": media({ anyOf: [array, event] }, [example]), ...lines }
    }
  }
}

/** With a path for the events of each stream instead of one for all. */
export const documentOf = (streams: ReadonlyArray<AppliedStream>): OpenApi.OpenAPISpec => {
  const base = OpenApi.fromApi(Api)
  const { [streamEventsPath]: template, ...paths } = base.paths
  const weather = base.paths["/events"]
  const operationOf = (stream: AppliedStream): OpenApi.OpenAPISpecPathItem => {
    if (stream.definition.name !== "weather") return template?.post ? { post: eventsOf(template.post, stream) } : {}
    return weather?.post ? { post: { ...weather.post, operationId: operationIdOf("weather") } } : {}
  }
  const others = streams.filter(({ definition }) => definition.name !== "weather" && definition.writer === undefined)
  const typed = streams
    // Nobody sends events of the others.
    .filter(({ definition }) => definition.writer === undefined)
    .map((stream) => [streamEventsPath.replace("{name}", stream.definition.name), operationOf(stream)])
  const schemas = others.map(({ definition }) => [componentOf(definition.name), objectOf(definition.columns)])
  return {
    ...base,
    paths: { ...paths, ...Object.fromEntries(typed) },
    components: { ...base.components, schemas: { ...base.components.schemas, ...Object.fromEntries(schemas) } }
  }
}

/** The API with this document, for the documentation page. */
export const documentedBy = (document: OpenApi.OpenAPISpec) =>
  Api.annotateMerge(OpenApi.annotations({ transform: () => ({ ...document }) }))
