#!/usr/bin/env bash
# Counts the instructions of a fixed script over the public API (bench/main_instructions.cc), under callgrind:
#   scripts/instructions.sh              writes docs/benchmarks/instructions.json
#   scripts/instructions.sh --compare    says which phase differs from it by more than 5 %; status 1 if one does
#   ... --program FILE                   counts this nokv-instructions instead of building one
# About half a minute after building. Counts do not depend on how busy the machine is: runs of one program differ by less
# than 0.01 %, by up to 0.6 % if $TMPDIR has a path of another length. They do depend on compiler, C library and processor:
# record and compare on machines alike.
set -euo pipefail
usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }

action=--record
program=
while [ $# -gt 0 ]; do
  case "$1" in
    --compare) action=--compare; shift ;;
    --program) program=$(realpath "${2:?--program needs a file}"); shift 2 ;;
    -h|--help) usage; exit 0 ;;
    *) echo "instructions.sh: unknown option '$1'" >&2; usage >&2; exit 2 ;;
  esac
done
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$program" ]; then
  scripts/install_packages.sh build bench
  echo "building preset bench ..."
  if ! { cmake --preset bench && cmake --build --preset bench --target nokv-instructions; } >"$work/build" 2>&1; then
    cat "$work/build" >&2
    exit 1
  fi
  program=$PWD/build/bench/nokv-instructions
fi
command -v valgrind >/dev/null || { echo "instructions.sh: valgrind is not installed" >&2; exit 2; }

# In an environment that is the same everywhere: its size moves the stack, and with it the alignment of what is copied.
(cd "$work" && ln -s "$program" program &&
  env -i "PATH=$PATH" valgrind --tool=callgrind --callgrind-out-file=dump --log-file=log ./program db >phases) ||
  { cat "$work/log" >&2; exit 2; }
echo "about valgrind $(valgrind --version | sed 's/^valgrind-//')" >>"$work/phases"
python3 tools/instruction_counts.py "$work/phases" "$work/dump" $action docs/benchmarks/instructions.json
