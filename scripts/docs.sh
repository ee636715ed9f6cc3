#!/usr/bin/env bash
# Writes what the documentation has from the code: the commands of docs/configuration.md, the log events and error reasons of docs/operations.md,
# the folders of docs/architecture.md, the packages of THIRD-PARTY-NOTICES.md, and docs/openapi.json. Tests compare them.
set -euo pipefail
cd "$(dirname "$0")/.."
dotnet build --verbosity quiet --nologo
export AUTHSIDECAR_WRITE_DOCS=1
for project in AuthSidecar.Tests AuthSidecar.ControlPlane.Tests EndToEnd.Tests; do
  "artifacts/bin/$project/debug/$project" -noLogo -noColor -method '*_AreListedInTheDocumentation' -method '*OpenApi*'
done
