#!/usr/bin/env bash
# What idle processes cost, and what a call over the Unix socket of an idle sidecar takes: tests/Benchmarks/idle.sh [--save] [SIDECAR CONTROL]
# Beside the binaries of this checkout those that are given (native sidecar, control plane), such as those of another revision, in the same run.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/need.sh
need_dotnet
need_package nghttp2-client h2load

save=${1:-}
[ "$save" = --save ] && shift || save=
warmup=${WARMUP:-300} seconds=${SECONDS_MEASURED:-60} rounds=9 port=7553
folder=$(mktemp -d)
processes=()
stop() {
  for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
  for process in "${processes[@]}"; do wait "$process" 2>/dev/null || true; done
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
# The request of the load test, and its bundle.
artifacts/bin/Benchmarks/release/Benchmarks host "$folder/load" 7554 &
host=$!
until [ -e "$folder/load/ready" ]; do kill -0 $host; sleep 0.1; done
kill $host; wait $host 2>/dev/null || true
# Without the second factors, which are wrapped for that host alone.
sed -i '/"profiles.json"/s/,$//; /"factors.json"/d' "$folder/load/bundle/bundle.json"
rm "$folder/load/bundle/factors.json"

names=(this) sidecars=("$folder/native/authsidecar") controls=(artifacts/bin/AuthSidecar.ControlPlane/release/authsidecar-control)
if [ $# -eq 2 ]; then names+=(other); sidecars+=("$1"); controls+=("$2"); fi

declare -A pid
begin() { local name=$1; shift; "$@" >"$folder/$name.log" 2>&1 & pid[$name]=$!; processes+=($!); }
for i in "${!names[@]}"; do
  name=${names[$i]} sidecar=${sidecars[$i]} control=${controls[$i]}
  begin "$name-folder" "$sidecar" serve --bundle "$folder/load/bundle" --state "$folder/$name-folder" --socket "$folder/$name-folder.sock" --listen none
  begin "$name-control" "$control" serve --state "$folder/$name-control" --admin-socket "$folder/$name-control.sock" --listen 127.0.0.1:$((port + i)) --name 127.0.0.1
  until [ -S "$folder/$name-control.sock" ]; do sleep 0.1; done
  export AUTHSIDECAR_CONTROL_SOCKET=$folder/$name-control.sock
  "$control" import "$folder/load/bundle" --application documents --create >/dev/null
  for follower in following second; do
    "$control" join-tokens create --application documents >"$folder/$name-$follower.token"
    begin "$name-$follower" "$sidecar" serve --control-plane "https://127.0.0.1:$((port + i))" --application documents --join-token "$folder/$name-$follower.token" --name "$follower" \
      --state "$folder/$name-$follower" --socket "$folder/$name-$follower.sock" --listen none
  done
done

# ticks PROCESS: how much processor time it has had, in hundredths of a second.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
sleep "$warmup"
for name in "${names[@]}"; do
  for part in folder following; do "$folder/native/authsidecar" health --address "unix:$folder/$name-$part.sock" >/dev/null; done
done
declare -A before
for name in "${!pid[@]}"; do before[$name]=$(ticks "${pid[$name]}"); done
sleep "$seconds"
rows=""
for part in folder following control; do
  for name in "${names[@]}"; do
    key=$name-$part
    rows+=$(awk -v part=$part -v name="$name" -v cpu=$(($(ticks "${pid[$key]}") - ${before[$key]})) -v s="$seconds" \
      'BEGIN { what["folder"] = "native sidecar, bundle folder"; what["following"] = "native sidecar, control plane"; what["control"] = "control plane, 2 sidecars"; printf "| %s | %s | %.1f |", what[part], name, cpu * 10 / s }')$'\n'
  done
done

# p50 BINARY: of calls one after another, over the Unix socket, in microseconds.
p50() {
  rm -f "$folder/times"
  h2load -D 2 --warm-up-time 0 -c 1 -m 1 -t 1 --log-file "$folder/times" -B "unix:$folder/$1-folder.sock" -d "$folder/load/check-principal.grpc" \
    -H 'content-type: application/grpc' -H 'te: trailers' "http://localhost/authsidecar.v1.AuthSidecarService/CheckPermission" >/dev/null
  cut -f3 "$folder/times" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
declare -A times
for name in "${names[@]}"; do p50 "$name" >/dev/null; done
for ((round = 1; round <= rounds; round++)); do
  # By turns first: what is measured second may find another machine.
  turn=("${names[@]}")
  [ $((round % 2)) = 0 ] && [ ${#names[@]} = 2 ] && turn=(other this)
  for name in "${turn[@]}"; do times[$name]+="$(p50 "$name") "; done
done

median() { tr ' ' '\n' <<<"$1" | sed '/^$/d' | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
report() {
  echo "| process | binaries | CPU, thousandths of a core |"
  echo "| --- | --- | --- |"
  echo -n "$rows"
  echo
  echo "| a check, one after another over the Unix socket | p50, µs: median of $rounds rounds (lowest to highest) |"
  echo "| --- | --- |"
  for name in "${names[@]}"; do
    local sorted; sorted=$(tr ' ' '\n' <<<"${times[$name]}" | sed '/^$/d' | sort -g)
    echo "| $name | $(median "${times[$name]}") ($(head -1 <<<"$sorted") to $(tail -1 <<<"$sorted")) |"
  done
  if [ ${#names[@]} = 2 ]; then
    local ratios; ratios=$(paste <(tr ' ' '\n' <<<"${times[this]}") <(tr ' ' '\n' <<<"${times[other]}") | awk 'NF == 2 { printf "%.2f\n", $1 / $2 }' | sort -g)
    echo "| \`this\` by \`other\`, pair by pair | $(median "$(tr '\n' ' ' <<<"$ratios")") ($(head -1 <<<"$ratios") to $(tail -1 <<<"$ratios")) |"
  fi
}
report

if [ -n "$save" ]; then
  {
    echo "# What idle processes cost"
    echo
    echo "Made by \`tests/Benchmarks/idle.sh --save\` on $(date -u +%F)."
    echo
    echo "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(sed -nE 's/^PRETTY_NAME="(.*)"/\1/p' /etc/os-release), Linux $(uname -r); .NET $(dotnet --version)."
    echo "$seconds s, $warmup s after the start; the sidecars native, the control plane JIT on SQLite; all of them at the same time."
    [ ${#names[@]} -eq 1 ] || echo "\`other\`: the revision before idle processes were looked at."
    echo
    report
  } > tests/Benchmarks/results/idle.md
fi
