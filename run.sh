#!/usr/bin/env bash
# Builds the sidecar, makes a sample application on first run, and serves it: ./run.sh
set -euo pipefail
cd "$(dirname "$0")"
. scripts/need.sh
need_dotnet

folder=.quickstart
address=unix:$folder/authsidecar.sock
bin=artifacts/bin/AuthSidecar/release/authsidecar

dotnet build src/AuthSidecar --configuration Release --verbosity quiet --nologo
"$bin" quickstart create "$folder"
"$bin" serve --bundle "$folder/bundle" --state "$folder/state" --socket "$folder/authsidecar.sock" --log text "$@" &
sidecar=$!
trap 'kill -TERM $sidecar 2>/dev/null || true' INT TERM

until
  # The sidecar says itself why it does not start.
  kill -0 "$sidecar" 2>/dev/null || { wait "$sidecar"; exit $?; }
  "$bin" health --address "$address" >/dev/null 2>&1
do sleep 0.1; done
"$bin" quickstart show "$folder" --address "$address"
echo "Ctrl-C ends it."

# The first wait ends with the signal; the second, when the sidecar has answered its last calls.
wait "$sidecar" || true
wait "$sidecar" 2>/dev/null || true
