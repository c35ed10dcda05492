/** A broker of its own, of the image that the stack has, which is reached by TLS, with a user or without; for the tests of the settings. */
import { execFileSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { docker } from "./docker.ts"
import { until } from "./weather.ts"

const image = "confluentinc/cp-kafka:7.5.0"
const container = `floe-secured-kafka-${process.pid}`
const ports = { sasl: 19_393, tls: 19_394 }
export const user = "floe"
/** Of each mechanism, so that a test sees which one was used. */
export const passwords = { "SCRAM-SHA-256": "of-256", "SCRAM-SHA-512": "of-512" } as const
export type Mechanism = keyof typeof passwords
export const addresses = { sasl: `localhost:${ports.sasl}`, tls: `localhost:${ports.tls}` }

/** The broker closes a connection of a user that has not authenticated again after this time. */
export const reauthenticationMillis = 2_000

/** The plain listener is for Kafka's tools within the container. */
const properties = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:29093
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=SASL_SSL://0.0.0.0:${ports.sasl},SSL://0.0.0.0:${ports.tls},PLAINTEXT://localhost:29092,CONTROLLER://localhost:29093
advertised.listeners=SASL_SSL://${addresses.sasl},SSL://${addresses.tls},PLAINTEXT://localhost:29092
listener.security.protocol.map=SASL_SSL:SASL_SSL,SSL:SSL,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=${Object.keys(passwords).join(",")}
${Object.keys(passwords)
  .map(
    (mechanism) =>
      `listener.name.sasl_ssl.${mechanism.toLowerCase()}.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;`
  )
  .join("\n")}
connections.max.reauth.ms=${reauthenticationMillis}
ssl.keystore.type=PEM
ssl.keystore.location=/secured/broker.pem
log.dirs=/tmp/logs
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
`

/** For Kafka's own tools on the listener that wants a user. */
const clientOf = (mechanism: Mechanism) => `security.protocol=SASL_SSL
sasl.mechanism=${mechanism}
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="${user}" password="${passwords[mechanism]}";
ssl.truststore.type=PEM
ssl.truststore.location=/secured/authority.pem
`

const openssl = (folder: string, ...args: ReadonlyArray<string>) =>
  execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] }).toString()

const authorityIn = (folder: string, name: string) =>
  openssl(
    folder,
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", `/CN=${name}`],
    ...["-addext", "basicConstraints=critical,CA:TRUE", "-keyout", `${name}.key`, "-out", `${name}.pem`]
  )

const keysIn = (folder: string) => {
  authorityIn(folder, "authority")
  authorityIn(folder, "stranger")
  openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=broker", "-keyout", "b.key", "-out", "b.csr")
  writeFileSync(join(folder, "san"), "subjectAltName=DNS:localhost\n")
  const signer = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial"]
  const certificate = openssl(folder, "x509", "-req", "-in", "b.csr", ...signer, "-days", "2", "-extfile", "san")
  const key = openssl(folder, "pkcs8", "-topk8", "-nocrypt", "-in", "b.key")
  writeFileSync(join(folder, "broker.pem"), key + certificate)
}

const scram = Object.entries(passwords).map(
  ([mechanism, password]) => `--add-scram '${mechanism}=[name=${user},password=${password}]'`
)
const start = `kafka-storage format -t 5Gd0m1Z5SXK0dV7pCq2c1w -c /secured/kraft.properties ${scram.join(" ")} && exec kafka-server-start /secured/kraft.properties`

const inside = (line: string) => docker("exec", container, "bash", "-c", line)

/** Runs until the scope closes. `folder` has `authority.pem`, which signed the broker's certificate, and `stranger.pem`, which did not. */
export const securedBroker = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = mkdtempSync(join(tmpdir(), "floe-secured-"))
    keysIn(folder)
    writeFileSync(join(folder, "kraft.properties"), properties)
    for (const mechanism of ["SCRAM-SHA-256", "SCRAM-SHA-512"] as const) {
      writeFileSync(join(folder, `${mechanism}.properties`), clientOf(mechanism))
    }
    // The broker runs as another user.
    chmodSync(folder, 0o755)
    const published = Object.values(ports).flatMap((port) => ["-p", `127.0.0.1:${port}:${port}`])
    const settings = ["-e", "KAFKA_HEAP_OPTS=-Xmx384m", "-v", `${folder}:/secured:ro`, "--entrypoint", "bash"]
    await docker("run", "-d", "--name", container, ...published, ...settings, image, "-c", start)
    await until(
      "the secured broker",
      () => inside("kafka-topics --bootstrap-server localhost:29092 --list && echo up").catch(() => ""),
      (shown) => shown.includes("up"),
      { seconds: 60 }
    )
    return folder
  }),
  (folder) =>
    Effect.promise(async () => {
      await docker("rm", "-f", "-v", container)
      rmSync(folder, { recursive: true, force: true })
    })
)

export const newTopic = Effect.promise(async () => {
  const name = `x_${randomUUID().replaceAll("-", "_")}`
  await inside(
    `for topic in ${name} ${name}-dlq; do kafka-topics --bootstrap-server localhost:29092 --create --topic $topic --partitions 1 & done; wait`
  )
  return name
})

/** The first `count` values of a topic, by Kafka's own consumer with the user and the mechanism. */
export const consumed = (topic: string, count: number, mechanism: Mechanism) =>
  Effect.promise(async () => {
    const shown = await inside(
      `kafka-console-consumer --bootstrap-server ${addresses.sasl} --consumer.config /secured/${mechanism}.properties --topic ${topic} --from-beginning --max-messages ${count} --timeout-ms 20000 2>/dev/null`
    )
    return shown.trimEnd().split("\n")
  })
