#!/usr/bin/env bash
# Installs the engines for `npm run test:engines` into a folder, and prints the variables that name them:
#   eval "$(test/engines/install.sh ~/.cache/floe-engines)" && npm run test:engines
# Keeps what is already installed. Downloads from PyPI and Maven Central; needs python3 with venv, java and mvn.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
artifact=iceberg-spark-runtime-3.5_2.12
version=1.9.2
jar=$folder/$artifact-$version.jar

# The list is copied last, so an interrupted installation starts again.
if ! cmp -s "$here/requirements.txt" "$folder/requirements.txt"; then
  rm -rf "$folder/python"
  python3 -m venv "$folder/python" >&2
  "$folder/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  cp "$here/requirements.txt" "$folder/requirements.txt"
fi
if [ ! -e "$jar" ]; then
  rm -rf "$folder/part"
  # Runs in its own folder, because Maven looks for a project in the current one.
  (cd "$folder" && mvn -B -q -Dstyle.color=never dependency:copy -Dartifact="org.apache.iceberg:$artifact:$version" -DoutputDirectory="$folder/part" >&2)
  mv "$folder/part/$artifact-$version.jar" "$jar"
  rmdir "$folder/part"
fi
printf 'export FLOE_TEST_PYTHON=%q\nexport FLOE_TEST_ICEBERG_JAR=%q\n' "$folder/python/bin/python" "$jar"
