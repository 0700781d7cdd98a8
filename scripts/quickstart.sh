#!/usr/bin/env bash
# From a bare Debian 12 with git and root to a running server, in one command:
#   scripts/quickstart.sh [--dir DIR] [--port PORT] [--build-only]
# Installs what is missing, builds the release, and serves DIR (default ./data) to Redis clients on
# 127.0.0.1:PORT (default 6380). Ctrl+C closes the database cleanly.
set -euo pipefail
usage() { sed -n '2,5s/^# \{0,1\}//p' "$0"; }

dir=./data
port=6380
build_only=no
while [ $# -gt 0 ]; do
  case "$1" in
    --dir) dir=${2:?--dir needs a directory}; shift 2 ;;
    --port) port=${2:?--port needs a number}; shift 2 ;;
    --build-only) build_only=yes; shift ;;
    -h|--help) usage; exit 0 ;;
    *) echo "quickstart.sh: unknown option '$1'" >&2; usage >&2; exit 2 ;;
  esac
done
case "$port" in ''|*[!0-9]*) echo "quickstart.sh: --port wants a number, not '$port'" >&2; exit 2 ;; esac
case "$dir" in /*) ;; *) dir=$PWD/$dir ;; esac
cd "$(dirname "$0")/.."

scripts/install_packages.sh build client
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "building (a few minutes the first time) ..."
if ! { cmake --preset release -DNOKV_BUILD_TESTS=OFF -DNOKV_BUILD_BENCHMARKS=OFF &&
       cmake --build --preset release --target nokv; } >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
rm -f "$log"
trap - EXIT
if [ "$build_only" = yes ]; then
  echo "built build/release/nokv"
  exit 0
fi
exec build/release/nokv redis --dir "$dir" --listen "127.0.0.1:$port"
