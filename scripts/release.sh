#!/usr/bin/env bash
# Makes a release: scripts/release.sh VERSION [--tested]. With --tested, .ci/run has passed on this commit and is not run again. Pushes nothing.
# Once its package is published: scripts/release.sh VERSION --published, by which later versions of the package are validated against it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh

fail() {
  echo "release: $1" >&2
  exit 2
}

version=${1:-}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "usage: scripts/release.sh VERSION [--tested]; \`$version\` is not a version such as 0.1.0"
case ${2:-} in
  "" | --tested | --published) ;;
  *) fail "unknown option \`$2\`: --tested or --published" ;;
esac
[ "$(git rev-parse --abbrev-ref HEAD)" = main ] || fail "not on branch main"
[ -z "$(git status --porcelain)" ] || fail "uncommitted changes: commit or remove them (git status)"
if [ "${2:-}" = --published ]; then
  git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null || fail "there is no tag v$version"
  sed -i "s|<PackageValidationBaselineVersion>.*</PackageValidationBaselineVersion>|<PackageValidationBaselineVersion>$version</PackageValidationBaselineVersion>|" src/AuthSidecar.Cedar/AuthSidecar.Cedar.csproj
  git commit --quiet --all --message "Validate the Cedar package against $version"
  exit
fi
! git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null || fail "tag v$version exists"
grep -qF "<Version>$version</Version>" Directory.Build.props || fail "Directory.Build.props has another <Version> than $version"
grep -qF "## [$version]" CHANGELOG.md || fail "CHANGELOG.md has no section \`## [$version] - DATE\`"
[ ! -e "protos/released/$version.binpb" ] || fail "protos/released/$version.binpb exists"

[ "${2:-}" = --tested ] || .ci/run
need_dotnet
need_package nodejs node
need_package npm npm
need_package postgresql psql
need_package clang clang

# The contract that `buf breaking` compares with from now on: a part of what is released, and so of what is built below.
mkdir -p protos/released
(
  cd protos
  npm install --no-save --no-audit --no-fund --loglevel=error
  ./node_modules/.bin/buf build --output "released/$version.binpb"
)
git add protos/released
git commit --quiet --message "Release $version"

out=$PWD/artifacts/release/$version
rm -rf "$out"
mkdir -p "$out"

echo "packing $version"
dotnet publish src/AuthSidecar --configuration Release --runtime linux-x64 --output "$out/authsidecar" --verbosity quiet --nologo
dotnet publish src/AuthSidecar.ControlPlane --configuration Release --output "$out/authsidecar-control" --verbosity quiet --nologo
dotnet pack src/AuthSidecar.Cedar --configuration Release --output "$out" -p:ContinuousIntegrationBuild=true --verbosity quiet --nologo
# Publishing for a runtime rewrites them.
git checkout --quiet -- '*packages.lock.json'
tar czf "$out/authsidecar-$version-linux-x64.tar.gz" -C "$out/authsidecar" authsidecar libsodium.so -C "$PWD" LICENSE THIRD-PARTY-NOTICES.md
tar czf "$out/authsidecar-control-$version.tar.gz" -C "$out" authsidecar-control -C "$PWD" LICENSE THIRD-PARTY-NOTICES.md

# What upgrade tests of later versions begin with: a database of each kind with its master key, and the state folders, with the last-known-good bundle.
echo "keeping a database of each kind and a state folder"
bin=$out/authsidecar/authsidecar
control=$out/authsidecar-control/authsidecar-control
work=$(mktemp -d)
processes=()
stop() {
  for process in "${processes[@]}"; do kill -TERM "$process" 2>/dev/null || true; wait "$process" 2>/dev/null || true; done
  processes=()
}
postgres=
finish() {
  stop
  [ -z "$postgres" ] || as_postgres "$postgres/pg_ctl" stop --silent --mode fast --pgdata "$work/pg" || true
  rm -rf "$work"
}
trap finish EXIT

as_postgres() { if [ "$(id -u)" = 0 ]; then (cd / && runuser --user postgres -- "$@"); else "$@"; fi; }
free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }

# populate NAME DATABASE: runs a control plane on the database, imports the sample and lets a sidecar follow it.
populate() {
  local name=$1 port
  port=$(free_port)
  "$bin" quickstart create "$work/$name"
  head -c 32 /dev/urandom | base64 >"$work/$name/master.key"
  "$control" serve --state "$work/$name/control" --database "$2" --key-vault "file:$work/$name/master.key" --admin-socket "$work/$name/control.sock" --listen "127.0.0.1:$port" --name 127.0.0.1 >"$work/$name.log" 2>&1 &
  processes+=($!)
  until "$control" sidecars list --admin-socket "$work/$name/control.sock" >/dev/null 2>&1; do kill -0 "${processes[-1]}" || { cat "$work/$name.log" >&2; exit 1; }; sleep 0.2; done
  "$control" import "$work/$name/bundle" --application documents --create --admin-socket "$work/$name/control.sock" >/dev/null
  "$control" join-tokens create --application documents --admin-socket "$work/$name/control.sock" >"$work/$name/join.token"
  "$bin" serve --control-plane "https://127.0.0.1:$port" --application documents --join-token "$work/$name/join.token" --name release \
    --state "$work/$name/sidecar" --socket "$work/$name/authsidecar.sock" >"$work/$name.sidecar.log" 2>&1 &
  processes+=($!)
  until "$bin" health --address "unix:$work/$name/authsidecar.sock" >/dev/null 2>&1; do kill -0 "${processes[-1]}" || { cat "$work/$name.sidecar.log" >&2; exit 1; }; sleep 0.2; done
  stop
}

populate sqlite "sqlite:$work/control.db"
tar czf "$out/upgrade-from-$version-sqlite.tar.gz" -C "$work" control.db -C "$work/sqlite" control sidecar master.key

postgres=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin | sort -V | tail -n 1)
chmod 711 "$work"
mkdir "$work/pg"
[ "$(id -u)" != 0 ] || chown postgres "$work/pg"
port=$(free_port)
as_postgres "$postgres/initdb" --auth trust --username postgres --pgdata "$work/pg" >/dev/null
as_postgres "$postgres/pg_ctl" start --wait --silent --pgdata "$work/pg" --log "$work/pg/log" --options "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$work/pg"
populate postgres "postgres:Host=127.0.0.1;Port=$port;Username=postgres;Database=postgres"
pg_dump --host 127.0.0.1 --port "$port" --username postgres --no-owner postgres | gzip >"$work/control.sql.gz"
tar czf "$out/upgrade-from-$version-postgres.tar.gz" -C "$work" control.sql.gz -C "$work/postgres" control sidecar master.key

rm -rf "$out/authsidecar" "$out/authsidecar-control"
(cd "$out" && sha256sum -- * >SHA256SUMS)

git tag --annotate "v$version" --message "AuthSidecar $version"

echo "released $version: artifacts in $out, tag v$version; push both, publish the package, run scripts/release.sh $version --published, and set the next <Version>"
