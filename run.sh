#!/usr/bin/env bash
# Builds the control plane and the sidecar, loads a sample application on first run, asks the sidecar, and serves on: ./run.sh
set -euo pipefail
cd "$(dirname "$0")"
. scripts/need.sh
need_dotnet

folder=${AUTHSIDECAR_QUICKSTART:-.quickstart}
address=unix:$folder/authsidecar.sock
socket=$folder/control.sock
port=${AUTHSIDECAR_CONTROL_PORT:-7443}
bin=artifacts/bin/AuthSidecar/release/authsidecar
control=artifacts/bin/AuthSidecar.ControlPlane/release/authsidecar-control
processes=()

# The sidecar first: it answers its last calls, and what it follows is still there.
stop() {
  for process in "${processes[@]}"; do kill -TERM "$process" 2>/dev/null || true; wait "$process" 2>/dev/null || true; done
}
trap stop EXIT
trap 'exit 0' INT TERM

# Waits until a command succeeds, while a process lives: it says itself why it does not start.
until_ready() {
  local process=$1
  shift
  until "$@" >/dev/null 2>&1; do
    kill -0 "$process" 2>/dev/null || { wait "$process"; exit $?; }
    sleep 0.1
  done
}

dotnet build src/AuthSidecar --configuration Release --verbosity quiet --nologo
dotnet build src/AuthSidecar.ControlPlane --configuration Release --verbosity quiet --nologo
"$bin" quickstart create "$folder"

"$control" serve --state "$folder/control" --admin-socket "$socket" --listen "127.0.0.1:$port" --name 127.0.0.1 --log text &
processes=($!)
until_ready $! "$control" sidecars list --admin-socket "$socket"
if [ ! -e "$folder/loaded" ]; then
  "$control" import "$folder/bundle" --application documents --create --admin-socket "$socket"
  (umask 077 && "$control" factors enrol-totp 'User::"alice"' --id totp --account alice --admin-socket "$socket" >"$folder/alice.otpauth")
  touch "$folder/loaded"
fi

# Each time: the sidecar's certificate may have run out since, and then it joins anew.
(umask 077 && "$control" join-tokens create --application documents --admin-socket "$socket" >"$folder/join.token")
"$bin" serve --control-plane "https://127.0.0.1:$port" --application documents --join-token "$folder/join.token" --name quickstart \
  --state "$folder/state" --socket "$folder/authsidecar.sock" --log text "$@" &
processes=($! "${processes[@]}")
until_ready $! "$bin" health --address "$address"

# What is printed can be pasted; and here is what it answers.
while IFS= read -r line; do
  printf '%s\n' "$line"
  case $line in "$bin "*) eval "$line" || true ;; esac
done < <("$bin" quickstart show "$folder" --address "$address" --control "$control" --admin-socket "$socket")
echo
echo "Ctrl-C ends it."
wait "${processes[0]}"
