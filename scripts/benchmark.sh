#!/usr/bin/env bash
# Measures NoKV beside its peers and writes docs/benchmarks/latest.md, latest.json and plots/:
#   scripts/benchmark.sh --quick|--full [--only NAME,..] [--runs N] [--fresh] [--no-build] [--output DIR]
#   scripts/benchmark.sh --quick|--full --list|--report
# --quick takes at most 15 minutes, --full at most 3 hours; what does not fit into them is said in the report.
# --only runs only these scenarios, or groups of them (synced is all of synced-1, synced-2, ..); --runs changes the
# number of runs. A campaign that was stopped goes on where it was if programs and settings are the same; one that
# ended begins anew, and --fresh begins anew in any case. --no-build takes build/bench as it is. --list prints the
# scenarios; --report writes the report from what is there. Nothing else should run on the machine meanwhile.
set -euo pipefail
usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; }
fail() { echo "benchmark.sh: $*" >&2; exit 2; }

mode=
only=
runs_asked=
fresh=no
build=yes
action=measure
output=docs/benchmarks
while [ $# -gt 0 ]; do
  case "$1" in
    --quick|--full) mode=${1#--}; shift ;;
    --only) only=${2:?--only needs names}; shift 2 ;;
    --runs) runs_asked=${2:?--runs needs a number}; shift 2 ;;
    --output) output=${2:?--output needs a directory}; shift 2 ;;
    --fresh) fresh=yes; shift ;;
    --no-build) build=no; shift ;;
    --list|--report) action=${1#--}; shift ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; fail "unknown option '$1'" ;;
  esac
done
[ -n "$mode" ] || { usage >&2; fail "--quick or --full?"; }
case "$runs_asked" in 0*|*[!0-9]*) fail "--runs wants a number from 1 on" ;; esac
case "$output" in /*) ;; *) output=$PWD/$output ;; esac
[ "$output" != "$PWD/docs/benchmarks" ] || output=docs/benchmarks
cd "$(dirname "$0")/.."

readonly program=build/bench/nokv-bench go_program=build/bench/nokv-bench-go
readonly campaign=build/benchmark/$mode
readonly data=$campaign/data
readonly in_go=(badger pebble nokv-go)

# --- Scenarios -------------------------------------------------------------------------------------------------

names=()
declare -A seconds_of=() runs_of=() engines_of=() flags_of=()
scenario() {  # name, seconds it may take, runs, engines, flags of nokv-bench
  names+=("$1")
  seconds_of[$1]=$2 runs_of[$1]=${runs_asked:-$3} engines_of[$1]=$4
  flags_of[$1]="${*:5} --distribution zipfian --seed 1"
}

readonly all=load,A,B,C,D,E,F,U,R,M,S
readonly built_in=nokv,rocksdb,rocksdb-rowcache,leveldb,lmdb,hash
readonly durable=nokv,rocksdb,leveldb,lmdb
readonly table="--records 1000000 --value-size 256 --memory 512MiB --threads 2 --sync none"
# The group of a worker is the budget, a tenth, and what the driver holds: these together are about 1 GiB.
readonly beyond_memory="--records 4000000 --value-size 1000 --ops 200000 --memory 768MiB --threads 2 --sync none"

plan_quick() {
  seconds_max=$((15 * 60))
  local threads
  for threads in 1 2 16; do
    scenario synced-$threads 70 1 $durable --workloads load --records 20000 --ops 20000 --value-size 256 --memory 512MiB --threads $threads --sync always
  done
  # The largest comes last and has all the time that building has left.
  scenario main $seconds_max 2 $built_in --workloads $all --ops 500000 $table
}

plan_full() {
  seconds_max=$((180 * 60))
  local threads size millions
  scenario main $((35 * 60)) 5 nokv,rocksdb,rocksdb-rowcache,leveldb,pebble,hash --workloads $all --ops 500000 $table
  # Writes at random take these minutes, and five runs of all would take the time of everything else.
  scenario others $((25 * 60)) 2 nokv,rocksdb,lmdb,badger,nokv-go --workloads $all --ops 500000 $table
  for threads in 1 2 16; do
    scenario synced-$threads $((threads > 2 ? 3 * 60 : 7 * 60)) 5 $durable,badger,pebble,nokv-go \
      --workloads load --records 20000 --ops 20000 --value-size 256 --memory 512MiB --threads $threads --sync always
  done
  scenario large $((30 * 60)) 5 nokv,rocksdb --workloads $all $beyond_memory
  for millions in 1 2 4 8 16; do
    scenario scale-$millions $(((60 + 60 * millions))) 2 nokv,rocksdb,lmdb \
      --workloads load,C,R,U --records $((millions * 1000000)) --ops 1000000 --value-size 64 --memory 3GiB --threads 2 --sync none
  done
  for size in 64 1024 4096 16384 65536; do
    local records=$((256000000 / (size + 20)))
    local ops=$((records < 10000 ? 20000 : records < 1000000 ? 2 * records : 1000000))
    scenario values-$size $((5 * 60)) 3 nokv,rocksdb,lmdb \
      --workloads load,A,C,R,U --records $records --ops $ops --value-size $size --memory 512MiB --threads 2 --sync none
  done
  # What time is left: LevelDB reads a thousand times a second there.
  scenario peers $((15 * 60)) 1 pebble,badger,leveldb --workloads $all $beyond_memory
}

"plan_$mode"

selected=()
for name in "${names[@]}"; do
  for wanted in ${only//,/ }; do
    [[ $name == "$wanted" || $name == "$wanted"-* ]] && selected+=("$name")
  done
  [ -n "$only" ] || selected+=("$name")
done
[ ${#selected[@]} -gt 0 ] || fail "no scenario of --$mode is called '$only': $(tr ' ' '\n' <<<"${names[*]}" | paste -sd ' ')"

without() {  # list with commas, words to leave out
  local list=,$1, word
  for word in "${@:2}"; do list=${list//,$word,/,}; done
  list=${list#,}
  echo "${list%,}"
}

# --- Building ----------------------------------------------------------------------------------------------------

missing=()  # "engine<TAB>why"
declare -A why_missing=()
build_all() {
  local log
  log=$(mktemp)
  scripts/install_packages.sh build bench
  echo "building preset bench ..."
  if ! { cmake --preset bench && cmake --build --preset bench --target nokv-bench; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
  fi
  rm -f "$log"
}

build_go() {  # says why there is no driver in Go, or nothing
  command -v go >/dev/null || { echo "Go is not installed"; return; }
  [ -d bench/go/kv ] || { echo "there is no bench/go/kv"; return; }
  local log
  log=$(mktemp)
  if ! (cd bench/go/kv && timeout 900 go build -trimpath -buildvcs=false -o "$OLDPWD/$go_program" .) >"$log" 2>&1 </dev/null; then
    rm -f "$go_program"
    echo "go build failed: $(grep -v '^#' "$log" | grep -v '^go: downloading' | head -n 1 | tr '\t' ' ')"
  fi
  rm -f "$log"
}

find_engines() {
  local wanted=" " name engine why=
  for name in "${names[@]}"; do wanted+="${engines_of[$name]//,/ } "; done
  local asked=()
  for engine in "${in_go[@]}"; do [[ $wanted == *" $engine "* ]] && asked+=("$engine"); done
  [ ${#asked[@]} -gt 0 ] || return 0
  if [ "$build" = yes ]; then
    echo "building the driver in Go ..."
    why=$(build_go)
  elif [ ! -x "$go_program" ]; then
    why="the driver in Go was not built"
  fi
  local list own
  list=$([ -n "$why" ] || "$go_program" --list-engines 2>&1 </dev/null || true)
  for engine in "${asked[@]}"; do
    grep -Eq "\"engine\": *\"$engine\"" <<<"$list" && continue
    own=$(sed -n "s/^$engine is not in this build: //p" <<<"$list")
    why_missing[$engine]=${why:-${own:-the driver in Go was built without it}}
    missing+=("$engine"$'\t'"${why_missing[$engine]}")
    echo "without $engine: ${why_missing[$engine]}"
  done
}

# --- Measuring ---------------------------------------------------------------------------------------------------

declare -A info=()
read_info() {  # name
  info=()
  [ -f "$campaign/$1.info" ] || return 0
  local key value
  while IFS=$'\t' read -r key value; do info[$key]=$value; done <"$campaign/$1.info"
}
write_info() {  # name
  local key
  for key in "${!info[@]}"; do printf '%s\t%s\n' "$key" "${info[$key]}"; done | LC_ALL=C sort >"$campaign/$1.info.part"
  mv "$campaign/$1.info.part" "$campaign/$1.info"
}
forget() { rm -f "$campaign/$1.info" "$campaign/$1.json" "$campaign/$1.json.part"; }

remaining_engines() { without "${engines_of[$1]}" "${!why_missing[@]}"; }

# Everything that a figure depends on; the number of runs may change.
identity_of() { echo "$programs $(remaining_engines "$1") ${flags_of[$1]}"; }

has_ended() {  # name: whether there is nothing left to do for it
  read_info "$1"
  [ "${info[identity]:-}" = "$(identity_of "$1")" ] || return 1
  case "${info[status]:-}" in complete|"some runs failed") [ "${info[runs]}" -ge "${runs_of[$1]}" ] ;; *) return 1 ;; esac
}

running=
stop() {
  [ -z "$running" ] || kill "$running" 2>/dev/null || true
  [ -z "$running" ] || wait "$running" 2>/dev/null || true
  rm -rf "$data" 2>/dev/null || true
}
trap stop EXIT
trap 'echo; echo "stopped; the same command goes on from here" >&2; exit 130' INT
trap 'exit 143' TERM

minutes() { printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); }

measure() {  # name
  local name=$1 engines identity left seconds status=0 began=$SECONDS
  engines=$(remaining_engines "$name")
  identity=$(identity_of "$name")
  read_info "$name"
  [ "${info[identity]:-$identity}" = "$identity" ] || { forget "$name"; info=(); }

  local command=("$program" ycsb --engines "$engines" ${flags_of[$name]} --runs "${runs_of[$name]}" --directory "$data" --json "$campaign/$name.json")
  [[ ",$engines," =~ ,(badger|pebble|nokv-go), ]] && command+=(--go-driver "$go_program")
  info[identity]=$identity info[command]="${command[*]}" info[runs]=${runs_of[$name]}
  local before=${info[seconds]:-0}
  left=$((seconds_max - 15 - SECONDS))
  seconds=$((left < seconds_of[$name] ? left : seconds_of[$name]))
  if [ -z "$engines" ]; then
    info[status]="not run: none of its engines is there"
  elif [ "$seconds" -lt 20 ]; then
    [ -f "$campaign/$name.json" ] || info[status]="not run: no time was left"
  else
    printf '\n== %s, at most %s; %s left for everything\n' "$name" "$(minutes $seconds)" "$(minutes $left)"
    info[status]="interrupted before all runs were done"
    write_info "$name"
    rm -rf "$data"
    mkdir -p "$data"
    timeout --kill-after=10 "$seconds" "${command[@]}" --resume 9>&- </dev/null &
    running=$!
    wait "$running" || status=$?
    running=
    rm -rf "$data"
    case $status in
      0) info[status]=complete ;;
      1) info[status]="some runs failed" ;;
      124|137) info[status]="stopped when its time was over, before all runs were done" ;;
      *) info[status]="nokv-bench ended with status $status" ;;
    esac
    info[seconds]=$((before + SECONDS - began))
  fi
  write_info "$name"
  echo "== $name: ${info[status]}"
}

write_campaign() {
  local commit
  commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
  [ -z "$(git status --porcelain -- src include bench cmake CMakeLists.txt CMakePresets.json 2>/dev/null)" ] || commit+=" with changes"
  {
    printf '%s\t%s\n' mode "$mode" command "scripts/benchmark.sh --$mode" commit "$commit" date "$(date +%F)" \
      filesystem "$(findmnt -n -o FSTYPE -T "$campaign" 2>/dev/null || stat -f -c %T "$campaign")"
    [ ${#missing[@]} -eq 0 ] || printf 'missing\t%s\n' "${missing[@]}"
  } >"$campaign/campaign"
}

write_report() {
  python3 tools/benchmark_report.py "$campaign" --output "$output"
  echo "wrote $output/latest.md, latest.json and plots/"
}

case "$action" in
  list)
    for name in "${selected[@]}"; do
      echo "$name: ${runs_of[$name]} runs, at most $(minutes "${seconds_of[$name]}"): --engines ${engines_of[$name]} ${flags_of[$name]}"
    done
    exit 0 ;;
  report)
    write_report
    exit 0 ;;
esac

mkdir -p "$campaign"
exec 9>"build/benchmark/lock"
flock -n 9 || fail "another benchmark is running"
[ "$build" = no ] || build_all
[ -x "$program" ] || fail "there is no $program; leave --no-build away"
find_engines
programs=$(cat "$program" $([ ! -x "$go_program" ] || echo "$go_program") | sha256sum | cut -c1-16)

# What has ended is measured anew: everything if everything has, and what --only names.
ended=yes
for name in "${selected[@]}"; do has_ended "$name" || ended=no; done
for name in "${selected[@]}"; do
  [ "$fresh$ended" = nono ] || forget "$name"
done
write_campaign
for name in "${selected[@]}"; do
  if has_ended "$name"; then echo "== $name: measured already"; else measure "$name"; fi
done
printf '\nmeasured in %s\n' "$(minutes $SECONDS)"
write_report
