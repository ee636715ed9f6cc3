# What the other scripts need: checked, installed where that is possible, else named. To be sourced.

dotnet_major=10

need_dotnet() {
  if command -v dotnet >/dev/null 2>&1 && dotnet --list-sdks | grep -q "^$dotnet_major\."; then
    return
  fi
  need_package "dotnet-sdk-$dotnet_major.0" dotnet
}

# need_package PACKAGE COMMAND: installs a Debian package unless its command is there.
need_package() {
  local package=$1 command=$2
  if [ "$command" != dotnet ] && command -v "$command" >/dev/null 2>&1; then
    return
  fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing $package" >&2
    apt-get update -qq >/dev/null || true
    if DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$package" >/dev/null; then
      return
    fi
  fi
  echo "this needs $package; on Debian: sudo apt-get install $package (for .NET see https://learn.microsoft.com/dotnet/core/install/linux)" >&2
  exit 1
}
