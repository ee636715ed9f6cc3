#!/usr/bin/env bash
# From a write to a thousand sidecars, and what a sidecar with very many users takes in: tests/Benchmarks/sync.sh [--save]
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/need.sh
need_dotnet

sidecars=1000 users=100000 control_port=7543 broadcast_port=7544
bin=artifacts/bin/Benchmarks/release/Benchmarks
control=artifacts/bin/AuthSidecar.ControlPlane/release/authsidecar-control
dotnet build tests/Benchmarks --configuration Release --verbosity quiet --nologo
dotnet build src/AuthSidecar.ControlPlane --configuration Release --verbosity quiet --nologo
# A connection for each sidecar, twice, on both ends.
ulimit -n 16384

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/fleet" "$folder/sidecar"
fleet=$("$bin" fleet "$folder/fleet" $sidecars $control_port $broadcast_port "$control")
sidecar=$("$bin" sidecar "$folder/sidecar" $users $control_port "$control")
report() {
  echo "## A write, until $sidecars sidecars have it"
  echo
  echo "$fleet"
  echo
  echo "Each of the $sidecars has a stream and a TLS connection of its own, and acknowledges what it gets; 30 rounds, by turns. They are simulated in that"
  echo "none verifies what it gets: they would share two cores to do so, which sidecars do not."
  echo
  echo "## A sidecar with $users users"
  echo
  echo "$sidecar"
  echo
  echo "The whole way: the control plane, a process of its own on SQLite, and a whole sidecar, over mutual TLS, signatures, last-known-good on disk and all."
  echo "Checks beside changes are made by a thread with a core of its own; those over gRPC by a caller on the same two cores as both servers."
}
report

if [ "${1:-}" = --save ]; then
  {
    echo "# The stream to the sidecars"
    echo
    echo "Made by \`tests/Benchmarks/sync.sh --save\` on $(date -u +%F)."
    echo
    echo "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(sed -nE 's/^PRETTY_NAME="(.*)"/\1/p' /etc/os-release), Linux $(uname -r); .NET $(dotnet --version), JIT."
    echo
    report
  } > tests/Benchmarks/results/sync.md
fi
