#!/usr/bin/env bash
# From a revocation to its being enforced at a hundred sidecars, and tokens of keys that nobody knows: tests/Benchmarks/revocations.sh [--save]
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/need.sh
need_dotnet

sidecars=100 cached=100000 control_port=7643 https_port=7644
bin=artifacts/bin/Benchmarks/release/Benchmarks
control=artifacts/bin/AuthSidecar.ControlPlane/release/authsidecar-control
dotnet build tests/Benchmarks --configuration Release --verbosity quiet --nologo
dotnet build src/AuthSidecar.ControlPlane --configuration Release --verbosity quiet --nologo
ulimit -n 16384

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/revocations" "$folder/keys"
revocations=$("$bin" revocations "$folder/revocations" $sidecars $cached $control_port $https_port "$control" 2> /dev/null)
keys=$("$bin" unknown-keys "$folder/keys")
report() {
  echo "## From a revocation to its being enforced"
  echo
  echo "$revocations"
  echo
  echo "$sidecars whole sidecars in one process, each with a stream, a TLS connection and a cache of its own, on the same two cores as the control plane, which is a process of its own on SQLite. Each has the"
  echo "token in its cache, and accepts it, before it is revoked; the time is from the call until the sidecar refuses it. One of them has $cached tokens more in its cache."
  echo
  echo "## Tokens of keys that nobody knows"
  echo
  echo "$keys"
  echo
  echo "By turns, a second each. The sidecar is a whole one; its issuer publishes its keys over HTTPS. A caller of good tokens asks again as soon as it is answered."
}
report

if [ "${1:-}" = --save ]; then
  {
    echo "# Tokens: what is taken back, and what is made up"
    echo
    echo "Made by \`tests/Benchmarks/revocations.sh --save\` on $(date -u +%F)."
    echo
    echo "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(sed -nE 's/^PRETTY_NAME="(.*)"/\1/p' /etc/os-release), Linux $(uname -r); .NET $(dotnet --version), JIT."
    echo
    report
  } > tests/Benchmarks/results/revocations.md
fi
