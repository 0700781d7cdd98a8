#!/usr/bin/env python3
"""Fails on any include in src/ that src/LAYERS does not allow.

Also fails if the modules in LAYERS are not in an order in which each includes only earlier ones, and if a
public header includes anything but public headers and the standard library.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def read_layers():
    vocabulary, allowed, order = set(), {}, []
    for line in (ROOT / "src/LAYERS").read_text().splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, _, rest = line.partition(":")
        if name == "@vocabulary":
            vocabulary = set(rest.split())
            continue
        allowed[name] = rest.split()
        order.append(name)
    return vocabulary, allowed, order


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


def main():
    vocabulary, allowed, order = read_layers()
    problems = []
    for index, module in enumerate(order):
        for dependency in allowed[module]:
            if not dependency.startswith("nokv/") and dependency not in order[:index]:
                problems.append(f"src/LAYERS: {module} includes {dependency}, which does not stand before it")
    checked = 0
    for path in sorted((ROOT / "src").glob("*/*.[hc]*")):
        if path.suffix not in (".h", ".cc"):
            continue
        checked += 1
        module = path.parent.name
        where = path.relative_to(ROOT)
        if module not in allowed:
            problems.append(f"{where}: module {module} is not in src/LAYERS")
            continue
        is_test = path.name.endswith(("_test.cc", "_bench.cc"))
        for number, quoted, target in includes(path):
            if not quoted:
                continue
            first = target.split("/")[0]
            if first == "nokv":
                ok = target in vocabulary or target in allowed[module] or "nokv/*" in allowed[module]
            else:
                ok = first == module or first in allowed[module]
            # A test may stand on the real file system and its fakes.
            ok = ok or (is_test and first in ("base", "vfs"))
            if not ok:
                problems.append(f"{where}:{number}: {module} may not include {target}")
    for path in sorted((ROOT / "include/nokv").glob("*.h")):
        checked += 1
        for number, quoted, target in includes(path):
            if quoted and not target.startswith("nokv/"):
                problems.append(f"{path.relative_to(ROOT)}:{number}: a public header includes {target}")
    print("\n".join(problems) if problems else f"layers: {checked} files, every include allowed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
