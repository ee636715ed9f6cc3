#!/usr/bin/env bash
# A sidecar under attack, and what well-behaved callers notice: tests/Benchmarks/overload.sh [--save | PART OF AN ATTACK'S NAME]
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/need.sh
need_dotnet
need_package gcc gcc
need_package util-linux taskset

bin=artifacts/bin/Benchmarks/release/Benchmarks
dotnet build tests/Benchmarks --configuration Release --verbosity quiet --nologo
ulimit -n 8192

[ "${1:-}" = --save ] || filter=${1:-}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/slow.c" <<'C'
#include <unistd.h>
#include <sys/syscall.h>
int fsync(int fd) { usleep(200000); return syscall(SYS_fsync, fd); }
int fdatasync(int fd) { usleep(200000); return syscall(SYS_fdatasync, fd); }
C
gcc -shared -fPIC -O2 -o "$folder/slow.so" "$folder/slow.c"
mkdir "$folder/sample"
table=$(taskset -c 1 "$bin" overload "$folder/sample" "$folder/slow.so" artifacts/bin/AuthSidecar/release/authsidecar "${filter:-}")
echo "$table"

if [ "${1:-}" = --save ]; then
  {
    echo "# Overload: a sidecar under attack"
    echo
    echo "Made by \`tests/Benchmarks/overload.sh --save\` on $(date -u +%F)."
    echo
    echo "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(nproc) cores; $(sed -nE 's/^PRETTY_NAME="(.*)"/\1/p' /etc/os-release), Linux $(uname -r); .NET $(dotnet --version), JIT."
    echo
    echo "$table"
    echo
    echo "The sidecar has one core; the callers have the other, and the attacker what they leave of it (nice 19). Each attack lasts ten seconds. A well-behaved caller asks CheckPermission, by turns on a connection of its own that is opened for the"
    echo "call and on one that is kept. Memory is the resident set of the sidecar."
  } > tests/Benchmarks/results/overload.md
fi
