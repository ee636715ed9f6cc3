#!/usr/bin/env bash
# What validating a token costs, JIT and AOT: tests/Benchmarks/tokens.sh [--save]
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/need.sh
need_dotnet
need_package clang clang

bin=artifacts/bin/Benchmarks/release/Benchmarks
dotnet build tests/Benchmarks --configuration Release --verbosity quiet --nologo
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$bin" --filter 'Benchmarks.Tokens.*' --artifacts "$folder" | tee "$folder/log" | grep -E '^(\||// \*)' || true
pairs=$("$bin" token-pairs)

report() {
  echo "# Tokens: validating one"
  echo
  echo "Made by \`tests/Benchmarks/tokens.sh --save\` on $(date -u +%F)."
  echo
  echo "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(sed -nE 's/^PRETTY_NAME="(.*)"/\1/p' /etc/os-release), Linux $(uname -r); .NET $(dotnet --version)."
  echo "One thread. \`Ratio\`: to \`BareSignature\`, the platform's check of an RS256 signature by the same key (RSA-2048) over the bytes of a token of that size."
  echo
  echo "## First sight beside the bare signature, in turns"
  echo
  echo "JIT. The two are measured in turns in one process, so that a machine whose speed drifts drifts for both."
  echo
  echo "$pairs"
  echo
  echo "## Each by itself"
  echo
  echo "In processes of their own, one after the other: compare the absolute times, and the allocations."
  echo
  grep '^|' "$folder/results/Benchmarks.Tokens.Validation-report-github.md"
  echo
  echo "- \`Cached\`: a token that was verified before: its times, audience, scopes and revocations are looked at (10,000 sessions are revoked)."
  echo "- \`FirstSight\`: one of 1,024 that is not remembered: read, verified, its claims read, and remembered."
  echo "- \`KiB\`: the size of the token, nearly; larger ones list groups, as those of Microsoft Entra ID do."
}
if [ "${1:-}" = --save ]; then report | tee tests/Benchmarks/results/tokens.md; else report; fi
