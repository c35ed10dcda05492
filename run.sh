#!/usr/bin/env bash
# Builds the images, starts the whole distributed profile, waits until it works, and says where things are.
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

docker compose version >/dev/null 2>&1 || fail "Docker with Compose 2.24 or newer is needed: https://docs.docker.com/compose/install/"
docker info >/dev/null 2>&1 || fail "The Docker engine does not answer: start it, or see whether you may use it (docker info says why)."

echo "1/2 Building the images (some minutes the first time; the native Kafka client is compiled) ..."
docker compose build

echo "2/2 Starting, and waiting until topic, table and connector are there and everything is healthy ..."
started=$SECONDS
if ! docker compose up --detach --wait --wait-timeout 600 "$@"; then
  docker compose ps --all
  fail "Not everything came up. The service that is unhealthy or has exited says why: docker compose logs <service>"
fi

cat <<EOF

The pipeline runs (started in $((SECONDS - started)) s).

  Logging server          http://localhost:9998        curl "http://localhost:9998/log?city=TestCity&temperature=75.5"
  Trino                   http://localhost:8080        docker exec -it trino trino
  Kafka Connect REST API  http://localhost:8083        curl http://localhost:8083/connectors/iceberg-sink/status
  MinIO console           http://localhost:9001        user and password as in .env (admin / password)

  What it does            docker compose logs -f client kafka-connect
  Stop, keep the data     docker compose down
  Stop, remove the data   docker compose down -v
EOF
