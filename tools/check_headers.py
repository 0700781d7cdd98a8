#!/usr/bin/env python3
"""Compiles every header alone: each must include what it needs. Uses both processors."""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPILER = os.environ.get("CXX", "g++")


def check(path):
    result = subprocess.run(
        [COMPILER, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-I", ROOT / "include", "-I", ROOT / "src",
         "-include", path, "-x", "c++", os.devnull],
        capture_output=True, text=True, check=False)
    return path, result.returncode, result.stderr


def main():
    headers = sorted((ROOT / "include/nokv").glob("*.h")) + sorted((ROOT / "src").glob("*/*.h"))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, code, errors in pool.map(check, headers):
            if code != 0:
                failed += 1
                print(f"{path.relative_to(ROOT)} does not compile alone:\n{errors}")
    print(f"headers: {len(headers)} compiled alone, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
