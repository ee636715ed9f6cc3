#!/usr/bin/env bash
# What decisions, loading and entities cost, JIT and AOT: tests/Benchmarks/cedar.sh [--save]
# Takes twenty minutes, and a machine that does nothing else.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/need.sh
need_dotnet
need_package clang clang

bin=artifacts/bin/Benchmarks/release/Benchmarks
dotnet build tests/Benchmarks --configuration Release --verbosity quiet --nologo
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$bin" --filter '*' --artifacts "$folder" | tee "$folder/log" | grep -E '^(\||// \*)' || true
weight=$("$bin" weigh)

# The table of a class, by its name.
table() { grep '^|' "$folder/results/Benchmarks.Cedar.$1-report-github.md"; }
report() {
  echo "# Cedar: decisions, loading, entities"
  echo
  echo "Made by \`tests/Benchmarks/cedar.sh --save\` on $(date -u +%F)."
  echo
  echo "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(sed -nE 's/^PRETTY_NAME="(.*)"/\1/p' /etc/os-release), Linux $(uname -r); .NET $(dotnet --version)."
  echo "One thread. Mean: of all measurements; Min: the best of them, which is what others on the same machine disturb least. JIT: compiled at run time, with profiles. AOT: Native AOT for any x86-64 processor, optimized for speed. Allocated: bytes a call."
  echo
  echo "## One decision"
  echo
  echo "With determining policies and errors, among random worlds of N entities of each kind, in the manner of the evaluation in Cutler et al., OOPSLA 2024; the mean"
  echo "over 2,000 requests. In \`drive-links\` and \`github-links\` every grant is a link of a template: at N = 50 there are about 500 and 370 policies."
  echo "\`FromStrings\` begins with the types and ids of principal, action and resource as strings; \`FromUids\` with uids."
  echo
  table Decisions
  echo
  echo "## One decision among many policies"
  echo
  echo "Of which four apply, whatever their number."
  echo
  table PolicyCounts
  echo
  echo "## Loading"
  echo
  echo "\`ParsePolicy\`: a text of one policy of 380 bytes, parsed, compiled and indexed. \`ParseManyPolicies\`: the same of a text of 10,000, for each.
\`ParseValidateCompile\`: 10,000 such policies and their schema, strictly validated as well."
  echo
  table Loading
  echo
  echo "## A million entities"
  echo
  echo "1,000,000 users, each in 3 of 10,000 teams, which lie in departments and divisions: read from JSON of 180 MB, and 10 of them changed. $weight."
  echo
  table ManyEntities
  echo
  echo "## Membership"
  echo
  echo "\`in\` through three chains of groups: in the group at their top, 1 or 20 levels up, and in one that is not above at all."
  echo
  table Membership
}
if [ "${1:-}" = --save ]; then report | tee tests/Benchmarks/results/cedar.md; else report; fi
