/** Checks that each component answers at its address, and is what is looked for there. */
import { Effect, Stream } from "effect"
import type { Check, Finding } from "../../../../services/Checks.ts"
import type { Component, Components } from "../../../../services/Components.ts"
import type { Query } from "../../../../services/Query.ts"
import type { Storage } from "../../../../services/Storage.ts"

/** What starts a service of compose.yaml, and what says why it does not start. */
export const startOf = (service: string) =>
  `\`docker compose up --detach --wait ${service}\`; where that does not help, docker compose logs ${service} says why.`

export type Look = Effect.Effect<ReadonlyArray<Component>>

/** All of them are looked at once, however many checks ask. */
export const lookOf = ({ look }: Components["Service"]): Effect.Effect<Look> => Effect.cached(look)

interface Part {
  /** As among the components. */
  readonly name: string
  /** In compose.yaml. */
  readonly service: string
  readonly title: string
  readonly consequence: string
  readonly needs?: ReadonlyArray<string>
}

const sentence = (text: string) => (text.endsWith(".") ? text : `${text}.`)

const findingOf = ({ service, title, consequence }: Part, { state, detail }: Component): ReadonlyArray<Finding> => {
  if (state === "up" || state === "paused") return []
  if (state === "starting") {
    return [
      {
        finding: `${title} is still starting.`,
        consequence,
        fix: `Wait for it: \`docker compose up --detach --wait ${service}\``
      }
    ]
  }
  return [{ finding: sentence(`${title} is down: ${detail}`), consequence, fix: startOf(service) }]
}

const part = (look: Look, part: Part): Check => ({
  name: part.name,
  ok: `${part.title} answers.`,
  needs: part.needs ?? [],
  run: Effect.map(look, (components) =>
    components.filter(({ name }) => name === part.name).flatMap((found) => findingOf(part, found))
  )
})

const unlanded = "What is logged stays in the topic and does not come into the table."
const unusable = "Nothing can be committed to the table, and it cannot be queried."
const unqueried = "The table cannot be queried; events come into it nevertheless."

export const kafka = (look: Look) =>
  part(look, {
    name: "kafka",
    service: "kafka",
    title: "Kafka",
    consequence: "No event can be logged, and none comes into the table."
  })

export const zookeeper = (look: Look) =>
  part(look, {
    name: "zookeeper",
    service: "zookeeper",
    title: "ZooKeeper",
    consequence: "Kafka goes on for some seconds only, and cannot be started."
  })

/** Without Kafka it says nothing of its connectors. */
export const connect = (look: Look) =>
  part(look, {
    name: "connect",
    service: "kafka-connect",
    title: "Kafka Connect",
    consequence: unlanded,
    needs: ["kafka"]
  })

/** What is in the container's environment is what compose.yaml gives the metastore too. */
const passwordBack =
  'docker exec postgres bash -c "psql --username \\$POSTGRES_USER --dbname \\$POSTGRES_DB --command \\"ALTER USER \\$POSTGRES_USER PASSWORD \'\\$POSTGRES_PASSWORD\'\\""'

export const postgres = (look: Look): Check => {
  const title = "The metastore's PostgreSQL"
  const up = part(look, { name: "postgres", service: "postgres", title, consequence: unusable })
  const refused = (detail: string): Finding => ({
    finding: sentence(`${title} answers, and ${detail}`),
    consequence:
      "The metastore cannot open a new connection to it: soon, or after its next start, the table is gone for all.",
    fix: `\`${passwordBack}\` gives it the password of .env again. If the other one is meant, set POSTGRES_PASSWORD to it there, then docker compose up --detach --wait; and where floe runs outside of compose.yaml, FLOE_POSTGRES_PASSWORD.`
  })
  return {
    ...up,
    ok: `${title} answers, and lets the metastore's user in.`,
    run: Effect.gen(function* () {
      const found = (yield* look).find(({ name }) => name === up.name)
      if (found?.state === "down" && found.detail.startsWith("it refuses the password")) return [refused(found.detail)]
      return yield* up.run
    })
  }
}

export const metastore = (look: Look) =>
  part(look, {
    name: "metastore",
    service: "hive-metastore",
    title: "The Hive Metastore",
    consequence: unusable
  })

export const trino = (look: Look, query: Query["Service"]): Check => {
  const up = part(look, { name: "trino", service: "trino", title: "Trino", consequence: unqueried })
  const catalogs = Effect.gen(function* () {
    const { rows } = yield* query.execute("SHOW CATALOGS LIKE 'iceberg'")
    if ((yield* Stream.runCollect(rows)).length > 0) return []
    const finding: Finding = {
      finding: "Trino has no catalog iceberg.",
      consequence: unqueried,
      fix: "Give it the folder deploy/trino/etc as /etc/trino, as compose.yaml does, and start it again: `docker compose restart trino`"
    }
    return [finding]
  }).pipe(Effect.scoped)
  return {
    name: up.name,
    ok: "Trino answers, and has the catalog iceberg.",
    run: Effect.flatMap(up.run, (findings) => (findings.length > 0 ? Effect.succeed(findings) : catalogs))
  }
}

/** MinIO, its bucket, and whether the key may list it. */
export const storage = (storage: Storage["Service"]): Check => {
  const found = (finding: string, fix: string): Effect.Effect<ReadonlyArray<Finding>> =>
    Effect.succeed([{ finding, consequence: unusable, fix }])
  return {
    name: "storage",
    ok: `The object store answers, and lists ${storage.warehouse}.`,
    run: Stream.runHead(storage.list("")).pipe(
      Effect.as<ReadonlyArray<Finding>>([]),
      Effect.catchTags({
        StorageUnavailable: ({ message }) => found(message, startOf("minio")),
        StorageMissing: ({ message }) =>
          found(
            message,
            "If the bucket was there before, put the volume minio back from a copy; `docker compose up minio-init` makes an empty one, for a table that is made again."
          ),
        StorageRefused: ({ message }) =>
          found(
            message,
            "Set FLOE_S3_ACCESS_KEY and FLOE_S3_SECRET_KEY to MINIO_ROOT_USER and MINIO_ROOT_PASSWORD of .env (admin and password, if there is none)."
          )
      })
    )
  }
}
