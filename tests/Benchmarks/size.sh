#!/usr/bin/env bash
# The memory of a control plane and a native sidecar with very many users, under the limits of deploy/k8s: tests/Benchmarks/size.sh [--save]
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/need.sh
need_dotnet

users=200000 groups=1000 policies=8000 changes=500 fleet=100 port=7543
# What .NET makes of a container's limit: 75 % of it is for the heap.
control_limit=768 sidecar_limit=256
control=artifacts/bin/AuthSidecar.ControlPlane/release/authsidecar-control
bin=artifacts/bin/Benchmarks/release/Benchmarks
folder=$(mktemp -d)
processes=()
stop() {
  for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; wait "$process" 2>/dev/null || true; done
  rm -rf "$folder"
}
trap stop EXIT

dotnet build src/AuthSidecar.ControlPlane --configuration Release --verbosity quiet --nologo
dotnet build tests/Benchmarks --configuration Release --verbosity quiet --nologo
# Publishing for a runtime writes that into the lock files.
mkdir "$folder/locks"
cp --parents src/*/packages.lock.json "$folder/locks"
dotnet publish src/AuthSidecar --configuration Release --runtime linux-x64 --output "$folder/native" --verbosity quiet --nologo
cp --recursive "$folder/locks/src" .
sidecar=$folder/native/authsidecar
export AUTHSIDECAR_CONTROL_SOCKET=$folder/control.sock

bundle() {
  mkdir -p "$folder/bundle/policies"
  echo '{"version": 1, "contents": ["entities.json", "policies"]}' >"$folder/bundle/bundle.json"
  awk -v users=$users -v groups=$groups 'BEGIN {
    printf "["
    for (g = 0; g < groups; g++) printf "{\"uid\": {\"type\": \"Group\", \"id\": \"g%d\"}, \"attrs\": {}, \"parents\": []},\n", g
    printf "{\"uid\": {\"type\": \"Role\", \"id\": \"reader\"}, \"attrs\": {}, \"parents\": []}"
    for (u = 0; u < users; u++) printf ",\n{\"uid\": {\"type\": \"User\", \"id\": \"u%d\"}, \"attrs\": {\"department\": \"d%d\", \"tenant\": \"t%d\"}, \"parents\": [{\"type\": \"Group\", \"id\": \"g%d\"}, {\"type\": \"Role\", \"id\": \"reader\"}]}", u, u % 50, u % 20, u % groups
    print "]"
  }' >"$folder/bundle/entities.json"
  awk -v policies=$policies -v groups=$groups 'BEGIN {
    for (i = 0; i < policies; i++) printf "@id(\"p%d\") permit (principal in Group::\"g%d\", action == Action::\"read\", resource == Document::\"d%d\") when { principal.department == \"d%d\" };\n", i, i % groups, i, i % 50
  }' >"$folder/bundle/policies/all.cedar"
}

# The highest resident memory so far, in MiB.
peak() { awk '/VmHWM/ { printf "%d", $2 / 1024 }' "/proc/$1/status"; }
heap() { printf '%x' $(($1 * 1024 * 1024 * 3 / 4)); }

# Until the sidecar answers by the group of a user, which it can only when it has everything.
until_synced() {
  local process=$1 socket=$2
  until "$sidecar" check --address "unix:$socket" --principal 'User::"u1"' --action read --resource 'Document::"d1"' >/dev/null 2>&1; do
    kill -0 "$process" 2>/dev/null || { echo "the sidecar has ended: it has run out of memory" >&2; exit 1; }
    sleep 0.5
  done
  # As long as it takes to keep it on disk.
  sleep 10
}

start_sidecar() {
  DOTNET_GCHeapHardLimit=$(heap $sidecar_limit) "$sidecar" serve --control-plane "https://127.0.0.1:$port" --application documents --join-token "$folder/token" --name one \
    --state "$folder/one" --socket "$folder/one.sock" >>"$folder/one.log" 2>&1 &
  processes+=($!)
  started=$!
}

bundle
DOTNET_GCHeapHardLimit=0x$(heap $control_limit) "$control" serve --state "$folder/control" --listen "127.0.0.1:$port" --name 127.0.0.1 >"$folder/control.log" 2>&1 &
processes+=($!)
control_process=$!
until "$control" sidecars list >/dev/null 2>&1; do kill -0 "$control_process"; sleep 0.2; done
"$control" import "$folder/bundle" --application documents --create >/dev/null
imported=$(peak "$control_process")
"$control" join-tokens create --application documents --uses 1000 >"$folder/token"
start_sidecar
until_synced "$started" "$folder/one.sock"
synced=$(peak "$started")
"$bin" followers "$folder/token" $((fleet - 1)) "https://127.0.0.1:$port" $changes "$AUTHSIDECAR_CONTROL_SOCKET" >"$folder/followers"
"$control" import "$folder/bundle" --application documents >/dev/null
sleep 5
control_peak=$(peak "$control_process") changed=$(peak "$started")
kill "$started"
wait "$started" || true
start_sidecar
until_synced "$started" "$folder/one.sock"
restarted=$(peak "$started")

report() {
  echo "| | highest resident memory, MiB | limit, MiB |"
  echo "| --- | --- | --- |"
  echo "| control plane, after the import | $imported | $control_limit |"
  echo "| control plane, after $fleet sidecars in full, $changes changes and a second import | $control_peak | $control_limit |"
  echo "| sidecar (native), after the full sync | $synced | $sidecar_limit |"
  echo "| sidecar (native), after $changes changes and a second import | $changed | $sidecar_limit |"
  echo "| sidecar (native), restarted from what it keeps | $restarted | $sidecar_limit |"
  echo
  cat "$folder/followers"
  echo
  echo "$users users with two attributes, each in one of $groups groups and in a role; $policies policies. Both processes have the heap limit that .NET sets in a container of that"
  echo "limit (\`DOTNET_GCHeapHardLimit\`, 75 %). One sidecar is a whole one; the others have streams and TLS connections of their own, and acknowledge what they get."
}
report
test "$control_peak" -lt $control_limit
test "$synced" -lt $sidecar_limit -a "$changed" -lt $sidecar_limit -a "$restarted" -lt $sidecar_limit

if [ "${1:-}" = --save ]; then
  {
    echo "# Memory"
    echo
    echo "Made by \`tests/Benchmarks/size.sh --save\` on $(date -u +%F)."
    echo
    echo "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(sed -nE 's/^PRETTY_NAME="(.*)"/\1/p' /etc/os-release), Linux $(uname -r); .NET $(dotnet --version)."
    echo
    report
  } > tests/Benchmarks/results/size.md
fi
