#!/usr/bin/env bash
# Gives crash enumeration and the random model test fresh seeds until the time is over:
#   scripts/crash_campaign.sh --minutes M [--jobs N]
# Builds the release preset's two programs first if they are not up to date; the time counts from then on.
# N tests run at once (default: one per processor). Prints every seed. On a failure prints what the test said
# and the command that repeats it, and exits 1; a test that takes longer than ctest allows it is a failure too.
set -euo pipefail
usage() { sed -n '2,6s/^# \{0,1\}//p' "$0"; }

minutes=
jobs=$(nproc)
while [ $# -gt 0 ]; do
  case "$1" in
    --minutes) minutes=${2:?--minutes needs a number}; shift 2 ;;
    --jobs) jobs=${2:?--jobs needs a number}; shift 2 ;;
    -h|--help) usage; exit 0 ;;
    *) echo "crash_campaign.sh: unknown option '$1'" >&2; usage >&2; exit 2 ;;
  esac
done
for number in "$minutes" "$jobs"; do
  case "$number" in
    ''|0*|*[!0-9]*) echo "crash_campaign.sh: --minutes and --jobs want a number from 1 on" >&2; usage >&2; exit 2 ;;
  esac
done
cd "$(dirname "$0")/.."

readonly test_seconds_max=1500  # TIMEOUT in tests/CMakeLists.txt
readonly programs=build/release/tests
work=$(mktemp -d)
declare -A running=()  # process id -> "program variable seed test may_be_cut log"; cut: by the end of the time
started=0
cleanup() {
  [ ${#running[@]} -eq 0 ] || kill "${!running[@]}" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

scripts/install_packages.sh build test
echo "building preset release ..."
if ! { cmake --preset release -DNOKV_BUILD_TESTS=ON &&
       cmake --build --preset release --target crash_test random_model_test; } >"$work/build" 2>&1; then
  cat "$work/build" >&2
  exit 1
fi

# "program variable test" for each test of a program, one a line.
tests_of() {
  "$programs/$1" --gtest_list_tests |
    awk -v head="$1 $2" '/^[^ ].*\.$/ { suite = $1 } /^  / { print head, suite $1 }'
}
tests_of crash_test NOKV_CRASH_SEED >"$work/tests"
tests_of random_model_test NOKV_MODEL_SEED >>"$work/tests"
[ -s "$work/tests" ] || { echo "crash_campaign.sh: the programs hold no tests" >&2; exit 1; }

deadline=$(($(date +%s) + minutes * 60))
left() { echo $((deadline - $(date +%s))); }
fresh_seed() { od -An -N6 -tu8 /dev/urandom | tr -d ' '; }

declare -A seeds_done=()  # "variable seed" with at least one finished test
shards=0 states=0 double_crashes=0 operations=0 cut_off=0 tame=0

# A seed may make a script that does too little of something for the test's own liking. That says nothing
# about the engine: every failure in the log is one of these expectations.
only_tame() {
  local failures complaints
  failures=$(grep -c ': Failure$' "$1" || true)
  complaints=$(grep -cE '^Expected: \((script\.|states_|double_crashes_|flushes_|reopens_)' "$1" || true)
  [ "$failures" -gt 0 ] && [ "$failures" -eq "$complaints" ]
}

fail() {  # log, what happened, program, variable, seed, test
  tail -n 60 "$1" >&2
  printf '\n%s. To repeat it:\n  %s=%s %s/%s --gtest_filter=%q\n' "$2" "$4" "$5" "$programs" "$3" "$6" >&2
  exit 1
}

count() {  # log: what a finished test says it did
  local line
  while read -r line; do
    if [[ $line =~ ([0-9]+)\ distinct\ states,\ ([0-9]+)\ double\ crashes ]]; then
      shards=$((shards + 1)) states=$((states + BASH_REMATCH[1])) double_crashes=$((double_crashes + BASH_REMATCH[2]))
    elif [[ $line =~ ^seed\ [0-9]+,\ ([0-9]+)\ operations$ ]]; then
      operations=$((operations + BASH_REMATCH[1]))
    fi
  done <"$1"
}

start() {  # program, variable, seed, test
  local seconds may_be_cut=no
  seconds=$(left)
  [ "$seconds" -gt 0 ] || return 0
  if [ "$seconds" -le "$test_seconds_max" ]; then may_be_cut=yes; else seconds=$test_seconds_max; fi
  started=$((started + 1))
  env "$2=$3" timeout --kill-after=10 "$seconds" stdbuf -oL "$programs/$1" --gtest_filter="$4" \
    >"$work/log$started" 2>&1 &
  running[$!]="$1 $2 $3 $4 $may_be_cut $work/log$started"
}

reap() {  # waits for one test to end
  local pid status=0
  wait -n -p pid "${!running[@]}" || status=$?
  local program variable seed name may_be_cut log
  read -r program variable seed name may_be_cut log <<<"${running[$pid]}"
  unset "running[$pid]"
  if [ "$status" -eq 0 ]; then
    seeds_done["$variable $seed"]=1
    count "$log"
  elif [ "$may_be_cut" = yes ] && [ "$(left)" -le 0 ] && { [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; }; then
    cut_off=$((cut_off + 1))
  elif only_tame "$log"; then
    tame=$((tame + 1))
  elif [ "$status" -eq 124 ]; then
    fail "$log" "$name was still running after $test_seconds_max seconds" "$program" "$variable" "$seed" "$name"
  else
    fail "$log" "$name ended with status $status" "$program" "$variable" "$seed" "$name"
  fi
  rm -f "$log"
}

echo "campaign of $minutes minutes, $jobs tests at once"
while [ "$(left)" -gt 0 ]; do
  crash_seed=$(fresh_seed) model_seed=$(fresh_seed)
  echo "NOKV_CRASH_SEED=$crash_seed NOKV_MODEL_SEED=$model_seed"
  while read -r program variable name; do
    while [ ${#running[@]} -ge "$jobs" ]; do reap; done
    seed=$crash_seed
    [ "$variable" = NOKV_CRASH_SEED ] || seed=$model_seed
    start "$program" "$variable" "$seed" "$name"
  done < <(shuf "$work/tests")
done
while [ ${#running[@]} -gt 0 ]; do reap; done

crash_seeds=0 model_seeds=0
for done in "${!seeds_done[@]}"; do
  case "$done" in NOKV_CRASH_SEED*) crash_seeds=$((crash_seeds + 1)) ;; *) model_seeds=$((model_seeds + 1)) ;; esac
done
echo "no failure: $crash_seeds crash seeds in $shards shards, $states distinct states, $double_crashes crashes inside recovery;" \
  "$model_seeds model seeds, $operations operations"
echo "$cut_off tests were cut off by the end of the time, $tame had a seed that does too little to count"
[ $((shards + operations)) -gt 0 ] || { echo "nothing was completed: more minutes are needed" >&2; exit 2; }
