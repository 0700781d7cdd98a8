#!/bin/sh
# raft_campaign.sh --minutes M [--first SEED] [--ticks N] [--build DIR]
#
# Runs simulations of the consensus core for M minutes from a seed that changes with the time, or
# from the one given. Failing seeds are shrunk and kept in data/raft-campaign/, one file each, with
# the command that repeats them. Exit status 1 if there was one.
set -eu
cd "$(dirname "$0")/.."
minutes=5
first=$(date +%s)000
ticks=400
build=build/release
while [ $# -gt 0 ]; do
  case "$1" in
    --minutes) minutes=$2 ;;
    --first) first=$2 ;;
    --ticks) ticks=$2 ;;
    --build) build=$2 ;;
    *) echo "usage: $0 --minutes M [--first SEED] [--ticks N] [--build DIR]" >&2; exit 2 ;;
  esac
  shift 2
done
kept=data/raft-campaign
mkdir -p "$kept"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "first seed $first, $minutes minutes, $ticks ticks each"
status=0
"$build/raft-sim" --first "$first" --ticks "$ticks" --seconds "$((minutes * 60))" > "$log" || status=$?
cat "$log"
if [ "$status" -ne 0 ]; then
  cp "$log" "$kept/from-$first.txt"
  echo "kept in $kept/from-$first.txt"
fi
exit "$status"
