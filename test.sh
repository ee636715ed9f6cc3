#!/usr/bin/env bash
# Builds everything and runs every test: ./test.sh
set -euo pipefail
cd "$(dirname "$0")"
. scripts/need.sh
need_dotnet
need_package postgresql pg_ctlcluster
need_package nodejs node
need_package npm npm
need_package chromium chromium
need_package faketime faketime
need_package curl curl
need_package clang clang
need_package kubernetes-client kubectl

dotnet restore --locked-mode --verbosity quiet
dotnet build --no-restore --verbosity quiet --nologo

passed=0 failed=0 skipped=0
logs=artifacts/test-logs
rm -rf "$logs" && mkdir -p "$logs"
# Short, because sockets are in it; open to pass, because PostgreSQL runs as somebody else.
TMPDIR=$(mktemp -d /tmp/as-XXXXXX) && export TMPDIR
chmod 711 "$TMPDIR"
# What this run has started and is still there, except this script.
left_processes() { grep -lzx "TMPDIR=$TMPDIR\(/.*\)\?" /proc/[0-9]*/environ 2>/dev/null | sed 's|/proc/||; s|/environ||' | grep -vx "$$" || true; }
for project in AuthSidecar.Cedar.Tests AuthSidecar.Tokens.Tests AuthSidecar.Tests AuthSidecar.ControlPlane.Tests EndToEnd.Tests; do
  # A test that hangs fails its project, and the others are still run and counted.
  timeout --foreground -k 1m 40m artifacts/bin/$project/debug/$project -noLogo -noColor -result-xml "$logs/$project.xml" 2>&1 | tee "$logs/$project.log" || true
  # A run without a summary has failed, whatever else it printed.
  summary=$(grep -E "^ *$project +Total: " "$logs/$project.log" || echo "Total: 1, Errors: 1, Failed: 0, Skipped: 0")
  count() { sed -E "s/.*$1: ([0-9]+).*/\1/" <<<"$summary"; }
  wrong=$(($(count Errors) + $(count Failed)))
  failed=$((failed + wrong)) skipped=$((skipped + $(count Skipped)))
  passed=$((passed + $(count Total) - wrong - $(count Skipped)))
done

echo "slowest tests, in seconds:"
for test in "$logs"/*.xml; do grep -oE '<test [^>]*>' "$test" || true; done | sed -E 's/.* name="([^"]*)".* time="([^"]*)".*/\2 \1/' | sort -rn | sed -n 1,15p

# What a test starts or writes it also takes away, also when it fails.
for process in $(left_processes); do
  [ -e "/proc/$process/cmdline" ] || continue
  echo "left running: $process $(tr '\0' ' ' <"/proc/$process/cmdline" | cut -c1-200)"
  kill "$process" 2>/dev/null && failed=$((failed + 1))
done
for folder in $(find "$TMPDIR" -mindepth 1 -maxdepth 1 ! -name 'clr-debug-pipe-*' ! -name 'dotnet-diagnostic-*' ! -name '.dotnet*' ! -name 'MSBuild*' ! -name 'NuGet*'); do
  echo "left behind: $folder"
  failed=$((failed + 1))
done
rm -rf "$TMPDIR"

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
