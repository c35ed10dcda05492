/** Checks that each component answers at its address, and is the expected program. */
import { Effect, Stream } from "effect"
import type { Finding } from "../../../../services/Checks.ts"
import type { Component } from "../../../../services/Components.ts"
import { Query } from "../../../../services/Query.ts"
import { Storage } from "../../../../services/Storage.ts"
import { passwordRejected } from "../../probes/postgresql.ts"

/** How to start a service of compose.yaml, and where to see why it does not start. */
export const startOf = (service: string) =>
  `\`docker compose up --detach --wait ${service}\`; if that does not help, docker compose logs ${service} shows why.`

/** Probes all components at once, however many checks ask. */
export type Probe = Effect.Effect<ReadonlyArray<Component>>

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

const check = (probe: Probe, part: Part) => ({
  name: part.name,
  ok: `${part.title} answers.`,
  needs: part.needs ?? [],
  run: Effect.map(probe, (components) =>
    components.filter(({ name }) => name === part.name).flatMap((component) => findingOf(part, component))
  )
})

const unlanded = "New events stay in the topic and do not reach the table."
const unusable = "Nothing can be committed to the table, and it cannot be queried."
const unqueried = "The table cannot be queried; events still reach it."

export const kafka = (probe: Probe) =>
  check(probe, {
    name: "kafka",
    service: "kafka",
    title: "Kafka",
    consequence: "No event can be logged, and none reaches the table."
  })

export const zookeeper = (probe: Probe) =>
  check(probe, {
    name: "zookeeper",
    service: "zookeeper",
    title: "ZooKeeper",
    consequence: "Kafka keeps running for a few seconds only, and cannot be started."
  })

/** Without Kafka it reports nothing of its connectors. */
export const connect = (probe: Probe) =>
  check(probe, {
    name: "connect",
    service: "kafka-connect",
    title: "Kafka Connect",
    consequence: unlanded,
    needs: ["kafka"]
  })

/** compose.yaml gives the container and the metastore the same variables. */
const restorePassword =
  'docker exec postgres bash -c "psql --username \\$POSTGRES_USER --dbname \\$POSTGRES_DB --command \\"ALTER USER \\$POSTGRES_USER PASSWORD \'\\$POSTGRES_PASSWORD\'\\""'

export const postgres = (probe: Probe) => {
  const title = "The metastore's PostgreSQL"
  const up = check(probe, { name: "postgres", service: "postgres", title, consequence: unusable })
  const rejected = (detail: string): Finding => ({
    finding: sentence(`${title} answers, and ${detail}`),
    consequence:
      "The metastore cannot open a new connection to it. Soon, or at the latest after its next start, no program can use the table.",
    fix: `\`${restorePassword}\` sets the password of .env again. If you meant to change it, set POSTGRES_PASSWORD to the new one there, then docker compose up --detach --wait; and if floe runs outside of compose.yaml, FLOE_POSTGRES_PASSWORD.`
  })
  return {
    ...up,
    ok: `${title} answers, and accepts the metastore's user.`,
    run: Effect.gen(function* () {
      const component = (yield* probe).find(({ name }) => name === up.name)
      if (component?.state === "down" && component.detail.startsWith(passwordRejected)) {
        return [rejected(component.detail)]
      }
      return yield* up.run
    })
  }
}

export const metastore = (probe: Probe) =>
  check(probe, {
    name: "metastore",
    service: "hive-metastore",
    title: "The Hive Metastore",
    consequence: unusable
  })

const catalogs = Effect.gen(function* () {
  const { rows } = yield* (yield* Query).execute("SHOW CATALOGS LIKE 'iceberg'")
  if ((yield* Stream.runCollect(rows)).length > 0) return []
  const finding: Finding = {
    finding: "Trino has no catalog iceberg.",
    consequence: unqueried,
    fix: "Mount the folder deploy/trino/etc at /etc/trino, as compose.yaml does, and restart it: `docker compose restart trino`"
  }
  return [finding]
}).pipe(Effect.scoped)

export const trino = (probe: Probe) => {
  const up = check(probe, { name: "trino", service: "trino", title: "Trino", consequence: unqueried })
  return {
    name: up.name,
    ok: "Trino answers, and has the catalog iceberg.",
    run: Effect.gen(function* () {
      const findings = yield* up.run
      return findings.length > 0 ? findings : yield* catalogs
    })
  }
}

/** MinIO, its bucket, and whether the key may list it. */
export const storage = (warehouse: string) => {
  const one = (finding: string, fix: string): Effect.Effect<ReadonlyArray<Finding>> =>
    Effect.succeed([{ finding, consequence: unusable, fix }])
  return {
    name: "storage",
    ok: `The object store answers, and lists ${warehouse}.`,
    run: Effect.gen(function* () {
      yield* Stream.runHead((yield* Storage).list(""))
      return []
    }).pipe(
      Effect.catchTags({
        StorageUnavailable: ({ message }) => one(message, startOf("minio")),
        StorageMissing: ({ message }) =>
          one(
            message,
            "If the bucket existed before, restore the volume minio from a copy; `docker compose up minio-init` creates an empty one, in which the table can be rebuilt."
          ),
        StorageRefused: ({ message }) =>
          one(
            message,
            "Set FLOE_S3_ACCESS_KEY and FLOE_S3_SECRET_KEY to MINIO_ROOT_USER and MINIO_ROOT_PASSWORD of .env (without that file, admin and password)."
          )
      })
    )
  }
}
