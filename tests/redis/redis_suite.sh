#!/usr/bin/env bash
# Runs units of Redis's own test suite against nokv as an external server, and prints a table.
#
#   tests/redis/redis_suite.sh REDIS_CHECKOUT [NOKV] [UNIT...]
#
# REDIS_CHECKOUT is a source tree of Redis 7.0.15 that you have fetched; it needs tclsh, redis-cli and
# redis-benchmark on the PATH. Each unit gets a server and a directory of its own. Fails if a test fails.
# "skipped" are tests left out by name (redis_suite_skips.txt), "ignored" those left out by their tags, which
# are listed at the end.
set -euo pipefail

checkout=${1:?usage: redis_suite.sh REDIS_CHECKOUT [NOKV] [UNIT...]}
nokv=$(realpath "${2:-build/release/nokv}")
shift $(($# < 2 ? $# : 2))
units=("$@")
if [ ${#units[@]} -eq 0 ]; then
  units=(unit/printver unit/protocol unit/quit unit/info-command unit/keyspace unit/scan unit/expire
    unit/type/string unit/type/incr)
fi

# Tests of what this server does not have, with the reason; names as the suite prints them.
here=$(cd "$(dirname "$0")" && pwd)
skips=$here/redis_suite_skips.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -v '^#' "$skips" | sed 's/\t.*//' | grep -v '^$' >"$work/skip" || true

for tool in redis-cli redis-benchmark; do
  [ -e "$checkout/src/$tool" ] || ln -s "$(command -v $tool)" "$checkout/src/$tool"
done

port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
failed=0
printf '%-22s %6s %8s %8s %8s\n' unit passed failed skipped ignored
for unit in "${units[@]}"; do
  log=$work/$(basename "$unit").log
  "$nokv" redis --dir "$work/data-$(basename "$unit")" --listen "127.0.0.1:$port" --sync no >"$work/server.log" 2>&1 &
  server=$!
  for _ in $(seq 100); do
    redis-cli -p "$port" ping >/dev/null 2>&1 && break
    sleep 0.05
  done
  (cd "$checkout" && timeout 300 script -qfec "./runtest --host 127.0.0.1 --port $port --singledb --ignore-encoding \
    --ignore-digest --durable --no-latency --timeout 60 --skipfile $work/skip \
    --tags '-needs:debug -needs:repl -needs:save -needs:config-maxmemory -needs:config-resetstat -needs:pfdebug -large-memory' \
    --single $unit" /dev/null </dev/null 2>&1 | sed "s/\x1b\[[0-9;]*m//g" >"$log") || true
  kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true
  passed=$(grep -c '\[ok\]' "$log" || true)
  bad=$(grep -cE '^\[(err|exception|timeout)\]' "$log" || true)
  skipped=$(grep -c '\[skip\]' "$log" || true)
  ignored=$(grep -c '\[ignore\]' "$log" || true)
  printf '%-22s %6d %8d %8d %8d\n' "$unit" "$passed" "$bad" "$skipped" "$ignored"
  grep '\[ignore\]' "$log" | sed "s|^\[ignore\]: |  $unit: |" >>"$work/ignored" || true
  if [ "$bad" -gt 0 ] || ! grep -q 'All tests passed without errors' "$log"; then
    failed=1
    grep -E '^\[(err|exception|timeout)\]' -A2 "$log" || tail -5 "$log"
  fi
done
echo "ignored by tag:"
cat "$work/ignored"
exit $failed
