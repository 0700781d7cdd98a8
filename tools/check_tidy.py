#!/usr/bin/env python3
"""The rules of style that a compiler does not know, checked on every file.

Banned calls (law 9: time, threads, chance and files come in through interfaces), marks of unfinished work,
headers without a word at the top, files that have grown too long.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# pattern, where it is allowed (prefixes of paths), what to use
BANNED = [
    (r"\bstd::thread\b", ["src/base/executor"], "base::Executor"),
    (r"\b(sleep_for|sleep_until|usleep|nanosleep)\b", ["src/base/clock.cc"], "base::Clock"),
    (r"\b(steady_clock|system_clock)::now\b", ["src/base/clock.cc"], "base::Clock"),
    (r"(?<![\w.>])(std::)?s?rand\(", [], "base::Random"),
    (r"\bstd::(mt19937|default_random_engine)\b", [], "base::Random"),
    (r"\bstd::(mutex|lock_guard|unique_lock|condition_variable)\b", ["src/base/mutex.h"], "base::Mutex"),
    (r"(?<![\w:])::(open|openat|creat|unlink|rename|fsync|fdatasync|mkdir)\(", ["src/vfs/"],
     "vfs::FileSystem"),
    (r"\b(fopen|ofstream|ifstream|fstream)\b", ["src/vfs/"], "vfs::FileSystem"),
    (r"(?<!static_)\bassert\(", [], "NOKV_CHECK or NOKV_DCHECK"),
    (r"\bthrow\b(?!\()", [], "Status"),
    (r"\b(FIXME|XXX|HACK)\b", [], "an issue"),
]
COMMENT = re.compile(r"//.*$")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
LINES_MAX = 1500


def main():
    problems = []
    files = sorted((ROOT / "src").glob("*/*.h")) + sorted((ROOT / "src").glob("*/*.cc"))
    files += sorted((ROOT / "include/nokv").glob("*.h"))
    for path in files:
        where = str(path.relative_to(ROOT))
        text = path.read_text()
        lines = text.splitlines()
        if len(lines) > LINES_MAX:
            problems.append(f"{where}: {len(lines)} lines, more than {LINES_MAX}")
        if path.suffix == ".h" and not re.match(r"#pragma once\n\n(//|#include)", text):
            problems.append(f"{where}: a header begins with #pragma once and what it is for")
        # Programs stand at the border: their input, output and time are the machine's.
        if path.name.endswith(("_test.cc", "_bench.cc")) or path.name.startswith("main_"):
            continue
        for number, line in enumerate(lines, 1):
            code = STRING.sub('""', COMMENT.sub("", line))
            for pattern, allowed, instead in BANNED:
                if re.search(pattern, code) and not where.startswith(tuple(allowed)):
                    problems.append(f"{where}:{number}: use {instead}: {line.strip()}")
            if re.search(r"\b(FIXME|XXX)\b", line):
                problems.append(f"{where}:{number}: {line.strip()}")
    print("\n".join(problems) if problems else f"tidy: {len(files)} files")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
