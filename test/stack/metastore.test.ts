/** What the metastore reports when something that it needs is missing. */
import { assert, test } from "vitest"
import { shell } from "./docker.ts"

test.each([
  ["POSTGRES_PASSWORD=wrong", /PostgreSQL rejects the user hive at .*: correct POSTGRES_USER or POSTGRES_PASSWORD/],
  ["METASTORE_DATABASE=jdbc:postgresql://postgres:5432/nothing", /PostgreSQL has no database at .*nothing: create it/],
  ["FLOE_WAREHOUSE=s3a://nothing", /The bucket nothing does not exist at http:\/\/minio:9000: create it/],
  ["FLOE_S3_SECRET_KEY=wrong-password", /The bucket warehouse at .* cannot be read with the key of FLOE_S3_ACCESS_KEY/]
])("hive-metastore with %s ends with a sentence", async (setting, sentence) => {
  const line = `docker compose run --rm --no-deps -T -e ${setting} hive-metastore 2>&1; echo "ended with $?"`
  const output = await shell(line, 60_000)
  assert.match(output, sentence)
  assert.match(output, /ended with 1\s*$/)
})
