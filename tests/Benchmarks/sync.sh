#!/usr/bin/env bash
# From a write to a thousand sidecars, and what a sidecar with very many users takes in: tests/Benchmarks/sync.sh [--save] [BENCHMARKS CONTROL]
# With the binaries of another revision, the first is measured by both, in nine alternating pairs.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/need.sh
need_dotnet

save=${1:-}
[ "$save" = --save ] && shift || save=
sidecars=1000 users=100000 pairs=9 control_port=7543 broadcast_port=7544
bin=artifacts/bin/Benchmarks/release/Benchmarks
control=artifacts/bin/AuthSidecar.ControlPlane/release/authsidecar-control
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dotnet build tests/Benchmarks --configuration Release --verbosity quiet --nologo
dotnet build src/AuthSidecar.ControlPlane --configuration Release --verbosity quiet --nologo
dotnet build src/AuthSidecar --configuration Release --verbosity quiet --nologo
# Publishing for a runtime writes that into the lock files.
cp --parents src/*/packages.lock.json "$folder"
dotnet publish src/AuthSidecar --configuration Release --runtime linux-x64 --output "$folder/native" --verbosity quiet --nologo
cp --recursive "$folder/src" .
# A connection for each sidecar, twice, on both ends.
ulimit -n 16384

# fleet BENCHMARKS CONTROL
fleet() { rm -rf "$folder/fleet"; mkdir "$folder/fleet"; "$1" fleet "$folder/fleet" $sidecars $control_port $broadcast_port "$2"; }
# figure COLUMN: of the row of the change
figure() { awk -F '|' -v column="$1" '/a role changed/ { gsub(/ /, "", $column); print $column }'; }
spread() { sort -n "$1" | awk '{ v[NR] = $1 } END { printf "%s (%s to %s)", v[int((NR + 1) / 2)], v[1], v[NR] }'; }
# row WHAT FIGURE: the median of each, and that of the ratios
row() { printf '| %s | %s | %s | %s |\n' "$1" "$(spread "$folder/this-$2")" "$(spread "$folder/other-$2")" "$(paste "$folder/this-$2" "$folder/other-$2" | awk '{ printf "%.2f\n", $1 / $2 }' >"$folder/ratio" && spread "$folder/ratio")"; }

first=$(fleet "$bin" "$control")
if [ $# -eq 2 ]; then
  for ((i = 0; i < pairs; i++)); do
    for which in $([ $((i % 2)) -eq 0 ] && echo this other || echo other this); do
      answer=$([ $which = this ] && fleet "$bin" "$control" || fleet "$1" "$2")
      figure 3 <<<"$answer" >>"$folder/$which-p50"
      figure 4 <<<"$answer" >>"$folder/$which-p99"
    done
  done
fi
mkdir "$folder/sidecar" "$folder/binaries" "$folder/enrolments"
enrolments=$("$bin" enrolments "$folder/enrolments" $sidecars $control_port "$control")
sidecar=$("$bin" sidecar "$folder/sidecar" $users $control_port "$control")
binaries=$("$bin" sidecar-binaries "$folder/binaries" $users $control_port "$control" JIT artifacts/bin/AuthSidecar/release/authsidecar native "$folder/native/authsidecar")
report() {
  echo "## A write, until $sidecars sidecars have it"
  echo
  echo "$first"
  echo
  echo "Each of the $sidecars has a stream and a TLS connection of its own, and acknowledges what it gets; 30 rounds, by turns. They are simulated in that"
  echo "none verifies what it gets: they would share two cores to do so, which sidecars do not."
  echo
  if [ -e "$folder/this-p50" ]; then
    echo "The same beside the revision before, in $pairs alternating pairs: median (least to greatest)."
    echo
    echo "| | this | before | ratio of each pair |"
    echo "| --- | --- | --- | --- |"
    row "p50 ms" p50
    row "p99 ms" p99
    echo
  fi
  echo "## A rollout beside $sidecars quiet streams"
  echo
  echo "$enrolments"
  echo
  echo "## A sidecar with $users users"
  echo
  echo "$sidecar"
  echo
  echo "The whole way: the control plane, a process of its own on SQLite, and a whole sidecar, over mutual TLS, signatures, last-known-good on disk and all."
  echo "Checks beside changes are made by a thread with a core of its own; those over gRPC by a caller on the same two cores as both servers."
  echo
  echo "## The same from outside, JIT and native"
  echo
  echo "$binaries"
  echo
  echo "Each sidecar is a process of its own that is asked over its Unix socket."
}
report

if [ -n "$save" ]; then
  {
    echo "# The stream to the sidecars"
    echo
    echo "Made by \`tests/Benchmarks/sync.sh --save\` on $(date -u +%F)."
    echo
    echo "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(sed -nE 's/^PRETTY_NAME="(.*)"/\1/p' /etc/os-release), Linux $(uname -r); .NET $(dotnet --version)."
    echo
    report
  } > tests/Benchmarks/results/sync.md
fi
