#!/usr/bin/env bash
# Runs every command of the server through real clients: redis-py, go-redis, ioredis (two versions), hiredis,
# and redis-cli and redis-benchmark as people use them.
#
#   tests/redis/clients/run.sh [NOKV] [CLIENT...]
#
# NOKV is build/release/nokv unless told; CLIENT one of redis-py go-redis ioredis ioredis-5 hiredis redis-cli.
# Each gets a fresh server on a free loopback port. What is missing is taken from the package registries into
# a temporary folder; a client that cannot be had is skipped and the reason told. Fails if a check fails.
set -uo pipefail

nokv=$(realpath "${1:-build/release/nokv}")
shift $(($# < 1 ? $# : 1))
clients=("$@")
[ ${#clients[@]} -gt 0 ] || clients=(redis-py go-redis ioredis ioredis-5 hiredis redis-cli)

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
server= running=
cleanup() {
  [ -z "$running" ] || kill "$running" 2>/dev/null
  [ -z "$server" ] || kill "$server" 2>/dev/null
  chmod -R u+w "$work" 2>/dev/null  # Go's module cache is read-only
  rm -rf "$work"
}
trap cleanup EXIT

passed=0 failed=0 skipped=0
password=sesame

# Each prepare_* leaves the command to run in `command`, or the reason why not in `reason`.
prepare_redis_py() {
  reason="no python3 with venv"
  python3 -m venv "$work/venv" >"$work/log" 2>&1 || return 1
  reason="pip cannot install it"
  "$work/venv/bin/pip" install -q -r "$here/redis-py/requirements.txt" >"$work/log" 2>&1 || return 1
  command=("$work/venv/bin/python" "$here/redis-py/smoke.py")
}

prepare_go_redis() {
  reason="no go"
  command -v go >/dev/null || return 1
  reason="go cannot build it"
  (cd "$here/go-redis" && go build -o "$work/go-smoke" .) >"$work/log" 2>&1 || return 1
  command=("$work/go-smoke")
}

prepare_node() {
  reason="no node with npm"
  command -v node npm >/dev/null || return 1
  if [ ! -d "$work/ioredis" ]; then
    cp -r "$here/ioredis" "$work/ioredis"
    reason="npm cannot install it"
    (cd "$work/ioredis" && npm ci) >"$work/log" 2>&1 || return 1
  fi
  command=(node "$work/ioredis/smoke.js")
}

prepare_hiredis() {
  local flags=(-lhiredis)
  reason="no C compiler"
  command -v cc >/dev/null || return 1
  if ! echo '#include <hiredis/hiredis.h>' | cc -E - >/dev/null 2>&1; then
    reason="no libhiredis-dev, and apt cannot get it"
    mkdir -p "$work/deb"
    (cd "$work/deb" && apt-get -q download libhiredis-dev && dpkg -x libhiredis-dev_*.deb .) \
      >"$work/log" 2>&1 || return 1
    flags=(-I "$work/deb/usr/include" "$(find "$work/deb" -name libhiredis.a)")
  fi
  reason="it does not build"
  cc -O1 -Wall -Wextra "$here/hiredis/smoke.c" "${flags[@]}" -o "$work/hiredis-smoke" >"$work/log" 2>&1 || return 1
  command=("$work/hiredis-smoke")
}

prepare_redis_cli() {
  reason="no redis-cli and redis-benchmark"
  command -v redis-cli redis-benchmark >/dev/null || return 1
  command=(python3 "$here/redis_cli.py")
}

# Listens on a port of its own choice; sets `server` and `port`.
start_server() {
  local log=$work/server-$1.log
  "$nokv" redis --dir "$work/data-$1" --listen 127.0.0.1:0 --sync no --requirepass "$password" \
    --enable-debug-command >"$log" 2>&1 &
  server=$!
  port=
  for _ in $(seq 200); do
    port=$(sed -n 's/.*listening on 127\.0\.0\.1:\([0-9]*\),.*/\1/p' "$log" 2>/dev/null)
    [ -z "$port" ] || return 0
    sleep 0.05
  done
  cat "$log"
  return 1
}

for client in "${clients[@]}"; do
  command=() arguments=()
  case $client in
    redis-py) prepare_redis_py ;;
    go-redis) prepare_go_redis ;;
    ioredis | ioredis-5) prepare_node && arguments=("$client") ;;
    hiredis) prepare_hiredis ;;
    redis-cli) prepare_redis_cli ;;
    *) echo "no client $client" && exit 2 ;;
  esac
  if [ $? -ne 0 ]; then
    skipped=$((skipped + 1))
    echo "skipped $client: $reason"
    sed 's/^/  /' "$work/log" 2>/dev/null | tail -3
    continue
  fi
  start_server "$client" || exit 1
  timeout 600 "${command[@]}" "$port" "$password" "${arguments[@]}" >"$work/out" 2>&1 &
  running=$!
  wait "$running"
  status=$? running=
  cat "$work/out"
  counts=$(sed -n "s/^$client: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p" "$work/out" | tail -1)
  read -r ok bad <<<"${counts:-0 1}"
  [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
  passed=$((passed + ok)) failed=$((failed + bad))
  # The client ended the server with SHUTDOWN: that is a clean end.
  for _ in $(seq 100); do
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  kill "$server" 2>/dev/null && echo "FAILED $client: the server did not end" && failed=$((failed + 1))
  wait "$server" || { echo "FAILED $client: the server ended with status $?" && failed=$((failed + 1)); }
  server=
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
