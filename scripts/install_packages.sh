#!/usr/bin/env bash
# Installs the Debian packages that a build needs, and nothing that is there already.
#   scripts/install_packages.sh [build] [test] [client] [bench]      the default is build and test
# Needs root (or sudo) only if something is missing. docs/dependencies.md says what each one is for.
set -euo pipefail

build=(g++ cmake ninja-build pkg-config libzstd-dev liblz4-dev libxxhash-dev libcli11-dev)
test=(libgtest-dev libgmock-dev libbenchmark-dev nlohmann-json3-dev python3 redis-tools)
bench=(librocksdb-dev libleveldb-dev liblmdb-dev nlohmann-json3-dev libbenchmark-dev python3 valgrind)

wanted=()
for set in "${@:-build test}"; do
  case "$set" in
    build) wanted+=("${build[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    client) wanted+=(redis-tools) ;;
    bench) wanted+=("${bench[@]}") ;;
    "build test") wanted+=("${build[@]}" "${test[@]}") ;;
    *) echo "install_packages.sh: unknown set '$set'" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
    missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "missing packages: ${missing[*]}; install them as root" >&2; exit 1; }
  root=(sudo)
fi
echo "installing: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >"$log" 2>&1 ||
  { cat "$log" >&2; exit 1; }
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  "${missing[@]}" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
