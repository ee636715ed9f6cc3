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

dotnet restore --locked-mode --verbosity quiet
dotnet build --no-restore --verbosity quiet --nologo

passed=0 failed=0 skipped=0
logs=artifacts/test-logs
rm -rf "$logs" && mkdir -p "$logs"
for project in AuthSidecar.Cedar.Tests AuthSidecar.Tokens.Tests AuthSidecar.Tests AuthSidecar.ControlPlane.Tests EndToEnd.Tests; do
  artifacts/bin/$project/debug/$project -noLogo -noColor 2>&1 | tee "$logs/$project.log" || true
  # A run without a summary has failed, whatever else it printed.
  summary=$(grep -E "^ *$project +Total: " "$logs/$project.log" || echo "Total: 1, Errors: 1, Failed: 0, Skipped: 0")
  count() { sed -E "s/.*$1: ([0-9]+).*/\1/" <<<"$summary"; }
  wrong=$(($(count Errors) + $(count Failed)))
  failed=$((failed + wrong)) skipped=$((skipped + $(count Skipped)))
  passed=$((passed + $(count Total) - wrong - $(count Skipped)))
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
