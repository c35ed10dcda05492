#!/usr/bin/env bash
# Builds the images, starts the whole distributed profile, waits until it works, and prints the addresses.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() {
  echo "$1" >&2
  exit 1
}

case "${1:-}" in
  -h | --help)
    echo "Usage: ./run.sh [options of docker compose up]"
    echo "Builds and starts everything in compose.yaml, and waits until it works. Stop it with: docker compose down"
    exit 0
    ;;
esac

docker compose version >/dev/null 2>&1 || fail "Floe needs Docker with Compose 2.24 or newer: https://docs.docker.com/compose/install/"
docker info >/dev/null 2>&1 || fail "The Docker engine does not answer. Start it, or check that you may use it; docker info shows why."

echo "1/2 Building the images (the first time takes some minutes, because the native Kafka client is compiled) ..."
docker compose build

echo "2/2 Starting, and waiting until the topic, the table and the connector exist and everything is healthy ..."
started=$SECONDS
if ! docker compose up --detach --wait --wait-timeout 600 "$@"; then
  docker compose ps --all
  fail "Not every service started. To see why, read the log of each one that is unhealthy or has exited: docker compose logs <service>"
fi

cat <<EOF

The pipeline is running (started in $((SECONDS - started)) s).

  Logging server          http://localhost:9998        curl "http://localhost:9998/log?city=TestCity&temperature=75.5"
  Trino                   http://localhost:8080        docker exec -it trino trino
  Kafka Connect REST API  http://localhost:8083        curl http://localhost:8083/connectors/iceberg-sink/status
  MinIO console           http://localhost:9001        user and password as in .env (admin / password)

  Follow the logs         docker compose logs -f client kafka-connect
  Stop, keep the data     docker compose down
  Stop, remove the data   docker compose down -v
EOF
