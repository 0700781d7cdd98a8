#!/bin/sh
# raft_mutants.sh [--build DIR] [--transcripts DIR] [NAME...]
#
# Builds the tests with the deliberate bugs of src/raft/mutants.h compiled in, runs them once for
# each bug, and prints a table of which test killed which. Exit status 1 if a bug survives that is
# not marked as equivalent. Names given select bugs.
set -eu
cd "$(dirname "$0")/.."
build=build/mutants
transcripts=${NOKV_RAFT_TRANSCRIPTS:-}
while [ $# -gt 0 ]; do
  case "$1" in
    --build) build=$2; shift 2 ;;
    --transcripts) transcripts=$2; shift 2 ;;
    *) break ;;
  esac
done
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O1 -DNDEBUG" \
  -DCMAKE_CXX_FLAGS=-DNOKV_RAFT_MUTANTS -DNOKV_BUILD_BENCHMARKS=OFF > /dev/null
cmake --build "$build" -j "${JOBS:-2}" --target raft_test > /dev/null
[ -n "$transcripts" ] && export NOKV_RAFT_TRANSCRIPTS="$transcripts"
names=${*:-$(sed -n 's/^  X(\(k[A-Za-z]*\),.*/\1/p' src/raft/mutants.h)}
text() { sed -n "s/^  X($1, \"\(.*\)\").*/\1/p" src/raft/mutants.h; }
"$build/raft_test" --gtest_brief=1 > /dev/null || { echo "the tests fail without a bug" >&2; exit 2; }
survivors=0
echo "| bug | what it does | killed by |"
echo "|---|---|---|"
# The first test that fails, by name; a process that ends itself, or does not end within a quarter of
# an hour, is killed by the test it was in.
killer() {
  NOKV_RAFT_MUTANT=$1 timeout 900 "$build/raft_test" --gtest_filter="$2" --gtest_fail_fast \
    2> /dev/null | awk '/^\[ RUN/ { running = $4 } /^\[  FAILED/ && !killer { killer = $4 }
      /^\[       OK/ { running = "" } END { print killer ? killer : running }' | tr -d ','
}
for name in $names; do
  by=$(killer "$name" '-Simulation.*')
  [ -n "$by" ] || by=$(killer "$name" 'Simulation.*')
  what=$(text "$name")
  if [ -z "$by" ]; then
    case "$what" in
      equivalent:*) by="(none: equivalent)" ;;
      *) by="**survives**"; survivors=$((survivors + 1)) ;;
    esac
  fi
  echo "| $name | $what | $by |"
done
[ "$survivors" -eq 0 ]
