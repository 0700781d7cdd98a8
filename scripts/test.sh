#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests:
#   scripts/test.sh [--preset release|debug|asan|tsan|clang] [--filter REGEX] [--label LABEL]
# --filter runs only tests whose name matches; --label only those of a label (fast, slow).
set -euo pipefail
usage() { sed -n '2,4s/^# \{0,1\}//p' "$0"; }

preset=release
select=()
while [ $# -gt 0 ]; do
  case "$1" in
    --preset) preset=${2:?--preset needs a name}; shift 2 ;;
    --filter) select+=(-R "${2:?--filter needs a regular expression}"); shift 2 ;;
    --label) select+=(-L "${2:?--label needs a label}"); shift 2 ;;
    -h|--help) usage; exit 0 ;;
    *) echo "test.sh: unknown option '$1'" >&2; usage >&2; exit 2 ;;
  esac
done
case "$preset" in release|debug|asan|tsan|clang) ;; *) echo "test.sh: no preset '$preset'" >&2; exit 2 ;; esac
cd "$(dirname "$0")/.."

scripts/install_packages.sh build test
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "building preset $preset ..."
benchmarks=$([ "$preset" = release ] && echo ON || echo OFF)
if ! { cmake --preset "$preset" -DNOKV_BUILD_TESTS=ON -DNOKV_BUILD_BENCHMARKS="$benchmarks" && cmake --build --preset "$preset"; } >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j "$(nproc)" "${select[@]}"
