#!/usr/bin/env bash
# Installs a build into a temporary prefix and builds examples/ against it, as a user would:
#   scripts/check_package.sh BUILD_DIRECTORY
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "${1:?the build directory}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >/dev/null
cmake -S examples -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/build" >/dev/null
(cd "$work" && build/embedded data)
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name nokv.pc)") pkg-config --exists nokv
# shellcheck disable=SC2046
g++ examples/embedded.cc -o "$work/by_pkg_config" \
  $(PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name nokv.pc)") pkg-config --cflags --libs nokv)
(cd "$work" && ./by_pkg_config data)
"$work/prefix/bin/nokv" get --dir "$work/data" greeting
echo "the installed package works: find_package(nokv), pkg-config nokv, bin/nokv"
