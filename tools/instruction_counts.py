#!/usr/bin/env python3
"""Turns callgrind's dumps of nokv-instructions into docs/benchmarks/instructions.json, or compares with it.

Usage: instruction_counts.py PHASES DUMPS_PREFIX --record FILE
       instruction_counts.py PHASES DUMPS_PREFIX --compare FILE

PHASES is what the program printed: a line with name and number of operations for each phase, and lines that begin with
`about`. Its dumps are DUMPS_PREFIX.1, .2, ...; scripts/instructions.sh makes both. A comparison ends with status 1 if a
phase has changed by more than LIMIT in either direction: what has become cheaper is to be recorded, or the next change
could take it back unseen.
"""

import argparse
import json
import pathlib
import re
import sys

LIMIT = 0.05


def read_phases(path):
    """({phase: operations}, {what: description})."""
    phases, about = {}, {}
    for line in path.read_text().splitlines():
        words = line.split(maxsplit=2)
        if words[:1] == ["about"]:
            about[words[1]] = words[2]
        elif len(words) == 2 and words[1].isdigit():
            phases[words[0]] = int(words[1])
    return phases, about


def read_dumps(prefix):
    """{phase: instructions of all threads between the phase's begin and its dump}."""
    counts = {}
    for dump in sorted(prefix.parent.glob(prefix.name + ".*")):
        text = dump.read_text()
        trigger = re.search(r"^desc: Trigger: Client Request: (\S+)$", text, re.MULTILINE)
        summary = re.search(r"^summary: (\d+)", text, re.MULTILINE)
        if trigger and summary:
            counts[trigger[1]] = int(summary[1])
    return counts


def measured(phases, counts, about):
    lacking = [phase for phase in phases if phase not in counts]
    if not phases or lacking:
        sys.exit(
            f"instruction_counts.py: no count of {', '.join(lacking) or 'any phase'}: was the program built with valgrind's headers?"
        )
    document = {"about": about}
    for phase, operations in phases.items():
        document[phase] = {
            "instructions_per_operation": round(counts[phase] / operations, 1),
            "instructions": counts[phase],
            "operations": operations,
        }
    return document


def changes(earlier, now):
    """(phase, instructions per operation before and now or None, relative change or None), for phases of either."""
    for phase in [p for p in earlier if p != "about"] + [p for p in now if p not in earlier and p != "about"]:
        before, after = (d[phase]["instructions_per_operation"] if phase in d else None for d in (earlier, now))
        yield phase, before, after, after / before - 1 if before and after else None


def compare(earlier, now):
    """Prints the phases side by side. Returns the exit status."""
    for what in sorted({*earlier.get("about", {}), *now["about"]}):
        before, after = earlier.get("about", {}).get(what), now["about"].get(what)
        if before != after:
            print(f"{what} was {before}, is {after}: counts differ for that reason too")
    status = 0
    for phase, before, after, change in changes(earlier, now):
        if change is None:
            status, verdict = 1, "is not in both"
        elif abs(after - before) > LIMIT * before:
            status, verdict = 1, f"{change:+.2%}: {'MORE' if change > 0 else 'fewer, to be recorded'}"
        else:
            verdict = f"{change:+.2%}"
        columns = ["-" if count is None else f"{count:,.1f}" for count in (before, after)]
        print(f"{phase:20} {columns[0]:>12} {columns[1]:>12}  {verdict}")
    return status


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("phases", type=pathlib.Path)
    parser.add_argument("dumps", type=pathlib.Path)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--record", type=pathlib.Path)
    action.add_argument("--compare", type=pathlib.Path)
    arguments = parser.parse_args()

    phases, about = read_phases(arguments.phases)
    now = measured(phases, read_dumps(arguments.dumps), about)
    if arguments.record:
        arguments.record.parent.mkdir(parents=True, exist_ok=True)
        arguments.record.write_text(json.dumps(now, indent=1) + "\n")
        for phase, figures in now.items():
            if phase != "about":
                print(f"{phase:20} {figures['instructions_per_operation']:12,.1f} instructions per operation")
        return 0
    if not arguments.compare.exists():
        sys.exit(f"instruction_counts.py: there is no {arguments.compare}; record it first")
    return compare(json.loads(arguments.compare.read_text()), now)


if __name__ == "__main__":
    sys.exit(main())
