#!/usr/bin/env bash
# Throughput of the calls beside that of an empty gRPC call of the same host, in one run: tests/Benchmarks/load.sh [--save]
# Server and client get one core each. Every round measures each call once, so that a machine whose speed drifts drifts for all of them.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/need.sh
need_dotnet
need_package nghttp2-client h2load
need_package util-linux taskset

rounds=${ROUNDS:-9} seconds=3 port=7099
# The JIT needs tens of thousands of calls, on the one core it shares with them, until the code is what it stays.
warmup=12
bin=artifacts/bin/Benchmarks/release/Benchmarks
dotnet build tests/Benchmarks --configuration Release --verbosity quiet --nologo

folder=$(mktemp -d)
taskset -c 0 "$bin" host "$folder" $port &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$folder"' EXIT
until [ -e "$folder/ready" ]; do kill -0 $server; sleep 0.1; done

calls=(empty check-principal check-token validate-token)
declare -A path=(
  [empty]=benchmarks.Empty/Call
  [check-principal]=authsidecar.v1.AuthSidecarService/CheckPermission
  [check-token]=authsidecar.v1.AuthSidecarService/CheckPermission
  [validate-token]=authsidecar.v1.AuthSidecarService/ValidateToken
)

# load CALL SECONDS: requests a second. Every request must have been answered, and well.
load() {
  local out
  out=$(taskset -c 1 h2load --duration "$2" --warm-up-time 0 -c 4 -m 32 -t 1 -d "$folder/$1.grpc" \
    -H 'content-type: application/grpc' -H 'te: trailers' "http://127.0.0.1:$port/${path[$1]}" 2>&1)
  grep -qE ' 0 failed, 0 errored, 0 timeout' <<<"$out" || { echo "$out" >&2; return 1; }
  sed -nE 's/^finished in .*, ([0-9.]+) req\/s.*/\1/p' <<<"$out"
}

for call in "${calls[@]}"; do load $call $warmup >/dev/null; done
declare -A rates
for ((round = 1; round <= rounds; round++)); do
  for call in "${calls[@]}"; do rates[$call]+="$(load $call $seconds) "; done
done

median() { tr ' ' '\n' <<<"$1" | sed '/^$/d' | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# The ratio is taken round by round, and its median over the rounds.
ratio() { paste <(tr ' ' '\n' <<<"$1") <(tr ' ' '\n' <<<"$2") | awk 'NF == 2 { print $1 / $2 }' | tr '\n' ' '; }
# What request validation takes of a check, in nanoseconds: too little to be seen among calls over a socket.
validation=""
for ((round = 1; round <= 9; round++)); do
  validation+="$("$bin" parts "$folder/parts$round" "principal: decide" | awk '/not validated/ { without = $(NF - 3); next } { with = $(NF - 3) } END { print with - without }') "
done

report() {
  echo "| call | requests/s (median of $rounds) | ratio to the empty call (median; lowest to highest) |"
  echo "| --- | --- | --- |"
  for call in "${calls[@]}"; do
    local r; r=$(ratio "${rates[$call]}" "${rates[empty]}")
    local sorted; sorted=$(tr ' ' '\n' <<<"$r" | sed '/^$/d' | sort -g)
    printf '| %s | %.0f | %.2f (%.2f to %.2f) |\n' "$call" "$(median "${rates[$call]}")" "$(median "$r")" "$(head -1 <<<"$sorted")" "$(tail -1 <<<"$sorted")"
  done
  echo
  awk -v rate="$(median "${rates[check-principal]}")" -v ns="$(median "$validation")" -v all="$(tr ' ' '\n' <<<"$validation" | sed '/^$/d' | sort -g | tr '\n' ' ')" 'BEGIN {
    n = split(all, v, " ")
    printf "Of `check-principal`, request validation takes %d ns (median of %d; %d to %d), which is %.1f %% of the time of a call.\n", ns, n, v[1], v[n], ns * rate / 1e7
  }'
}
report

if [ "${1:-}" = --save ]; then
  {
    echo "# Load: each call beside an empty gRPC call"
    echo
    echo "Made by \`tests/Benchmarks/load.sh --save\` on $(date -u +%F)."
    echo
    echo "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(sed -nE 's/^PRETTY_NAME="(.*)"/\1/p' /etc/os-release), Linux $(uname -r); .NET $(dotnet --version), JIT."
    echo "Server and client pinned to one core each; h2load, 4 connections, 32 streams each, $seconds s a measurement, over loopback TCP without TLS."
    echo
    report
    echo
    echo "- \`empty\`: a unary call of google.protobuf.Empty of the gRPC framework on the same host."
    echo "- \`check-principal\`: CheckPermission with a principal, a resource of two attributes, 12 policies; answered ALLOW."
    echo "- \`check-token\`: the same with an RS256 token in place of the principal, verified before and remembered."
    echo "- \`validate-token\`: ValidateToken with the same token; the answer carries all claims."
  } > tests/Benchmarks/results/load.md
fi
