"""What one campaign of the benchmark measured: its scenarios, figures over their runs, and verdicts.

A campaign is a folder that scripts/benchmark.sh fills: `campaign` says what belongs to all of it (lines of a key, a tab
and a value), and for each scenario there are NAME.info (the same, with the command and how it ended) and NAME.json (what
nokv-bench --json wrote). A ratio is always SUBJECT by BASELINE, of medians over the runs; the floors that ratios are held
against stand in SECTIONS. benchmark_report.py turns all this into pages. Run benchmark_report.py, not this.
"""

import json
import math
import re
import statistics
import sys
from dataclasses import dataclass, field

SUBJECT, BASELINE = "nokv", "rocksdb"
# In the order of tables.
ENGINES = ["nokv", "rocksdb", "rocksdb-rowcache", "leveldb", "lmdb", "pebble", "badger", "nokv-go", "hash"]
WORKLOADS = ["load", "A", "B", "C", "D", "E", "F", "G", "U", "R", "M", "S"]
WRITES_ONLY = {"load", "G", "U"}
KEY_BYTES = 20
# For each workload what its name means, in the fewest words.
MEANING = {
    "load": "insert everything",
    "A": "half reads, half updates",
    "B": "95 % reads",
    "C": "reads",
    "D": "reads of the newest",
    "E": "scans of 1 to 100",
    "F": "half read-modify-writes",
    "G": "inserts",
    "U": "updates",
    "R": "uniform reads",
    "M": "absent keys",
    "S": "scans of 10,000",
}
# What is said of the machine; its name is not.
MACHINE = ("processor", "cores", "memory", "kernel", "filesystem")
MIB = 1 << 20


@dataclass(frozen=True)
class Floors:
    """What has to be reached; an empty one asks nothing."""

    throughput: dict = field(default_factory=dict)  # workload: least ratio to the baseline
    no_slower: tuple = ()  # workloads whose p99 and p99.9 must not be above the baseline's
    written: float = 0  # most bytes written, as a ratio to the baseline
    memory: bool = False  # whether peak memory must stay within the budget and a tenth
    runs: int = 1  # runs that the medians must be of


@dataclass(frozen=True)
class Section:
    """One part of the report: the scenario `name`, or the scenarios `name`-…, which differ in one parameter."""

    name: str
    title: str
    about: str
    varies: str = ""  # the parameter in which the scenarios differ
    floors: Floors = Floors()


SECTIONS = [
    Section(
        "main",
        "Every workload",
        "The data fits into the memory of every engine. Writes reach the operating system, not necessarily the device.",
        floors=Floors(
            {**dict.fromkeys(("load", "A", "B", "C", "D", "F", "U"), 2.0), "E": 1.5, "S": 1.5, "R": 1.5},
            no_slower=("load", "A", "B", "C", "D", "E", "F", "U", "R", "S"),
            memory=True,
            runs=5,
        ),
    ),
    Section(
        "others",
        "Every workload, other engines",
        "The same once more, with fewer runs, for engines whose writes at random take minutes.",
    ),
    Section(
        "synced",
        "Writes that survive a loss of power",
        "Every write waits for the device before it is acknowledged.",
        "threads",
        Floors({"load": 1.2}, runs=5),
    ),
    Section(
        "large",
        "More data than memory",
        "Four times more data than caches and page cache together can hold.",
        floors=Floors({**dict.fromkeys(WORKLOADS, 1.2), "load": 1.5, "U": 1.5}, written=0.8, memory=True, runs=5),
    ),
    Section("values", "Sizes of values", "About 256 MB of data at each size.", "value_size"),
    Section(
        "scale",
        "Numbers of records",
        "Memory is enough for all: what grows with the number of records is the engine's own work.",
        "records",
    ),
    Section(
        "peers",
        "More data than memory, other engines",
        "The same data, memory and workloads once more, for engines that its runs have no time for.",
    ),
]


# --- Reading ------------------------------------------------------------------------------------------------


def without_paths(value):
    """The same with the folders of absolute paths left out, however deep."""
    if isinstance(value, str):
        return re.sub(r"(?<![\w.)])/(?:[\w.+@~-]+/)+", "", value)
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    if isinstance(value, dict):
        return {key: without_paths(item) for key, item in value.items()}
    return value


def read_lines(path):
    """The pairs of a file of `key<TAB>value` lines."""
    if not path.exists():
        return []
    return [tuple(line.split("\t", 1)) for line in path.read_text().splitlines() if "\t" in line]


class Scenario:
    """What one call of nokv-bench measured. Figures of a failed run are left out."""

    def __init__(self, name, info, document):
        self.name = name
        self.command = info.get("command", "")
        self.status = info.get("status", "not run")
        self.seconds = float(info.get("seconds", 0))
        self.parameters = document.get("parameters", {})
        self.machine = {key: value for key, value in self.parameters.get("machine", {}).items() if key in MACHINE}
        if "machine" in self.parameters:
            self.parameters["machine"] = self.machine
        self.failures = document.get("failures", [])
        void = {(failure["engine"], failure["run"]) for failure in self.failures}
        self.results = [r for r in document.get("results", []) if (r["engine"], r["run"]) not in void]
        self.by = {}
        for result in sorted(self.results, key=lambda r: r["run"]):
            self.by.setdefault((result["engine"], result["workload"]), []).append(result)

    def engines(self):
        """In the order of tables; engines that asked to take part count even if nothing came of it."""
        names = set(self.parameters.get("engines", {})) | {engine for engine, _ in self.by}
        return sorted(names, key=lambda e: (ENGINES.index(e) if e in ENGINES else len(ENGINES), e))

    def workloads(self):
        names = self.parameters.get("workloads") or {workload for _, workload in self.by}
        return sorted(names, key=lambda w: WORKLOADS.index(w) if w in WORKLOADS else len(WORKLOADS))

    def values(self, engine, workload, measure):
        return [measure(self, result) for result in self.by.get((engine, workload), [])]

    def spread(self, engine, workload, measure):
        """(median, least, most) over the runs, or None."""
        values = self.values(engine, workload, measure)
        return (statistics.median(values), min(values), max(values)) if values else None

    def median(self, engine, workload, measure):
        values = self.values(engine, workload, measure)
        return statistics.median(values) if values else None

    def ratio(self, workload, measure, engine=SUBJECT):
        own, other = self.median(engine, workload, measure), self.median(BASELINE, workload, measure)
        return own / other if own is not None and other else None

    def ratio_spread(self, workload, measure):
        """(ratio of the medians, least and most of the ratios run by run), or None."""
        middle = self.ratio(workload, measure)
        if middle is None:
            return None
        other = {r["run"]: measure(self, r) for r in self.by[(BASELINE, workload)]}
        pairs = [measure(self, r) / other[r["run"]] for r in self.by[(SUBJECT, workload)] if other.get(r["run"])]
        return middle, min([middle, *pairs]), max([middle, *pairs])

    def runs(self, engine):
        return len({result["run"] for result in self.results if result["engine"] == engine})

    def budget(self):
        return int(self.parameters.get("memory", 0))

    def record_bytes(self):
        return KEY_BYTES + int(self.parameters.get("value_size", 0))


def throughput(_, result):
    return result["ops_per_second"]


def figure(name):
    return lambda _, result: result[name]


def cpu_us(_, result):
    return result["cpu_seconds"] * 1e6 / result["ops"]


def written_per_op(_, result):
    return result["device_bytes_written"] / result["ops"]


def amplification(scenario, result):
    return result["device_bytes_written"] / result["ops"] / scenario.record_bytes()


def engine_memory(_, result):
    """Peak memory without what the driver holds itself."""
    return result["peak_rss_bytes"] - result.get("driver_bytes", 0)


class Campaign:
    def __init__(self, directory):
        pairs = read_lines(directory / "campaign")
        self.about = {key: without_paths(value) for key, value in pairs if key != "missing"}
        self.missing = [tuple(without_paths(value).split("\t", 1)) for key, value in pairs if key == "missing"]
        self.scenarios = {}
        for info_file in sorted(directory.glob("*.info")):
            name = info_file.stem
            json_file = info_file.with_suffix(".json")
            document = json.loads(json_file.read_text()) if json_file.exists() else {}
            self.scenarios[name] = Scenario(name, without_paths(dict(read_lines(info_file))), without_paths(document))
        unknown = set(self.scenarios) - {s.name for section in SECTIONS for s in self.parts(section)}
        if unknown:
            sys.exit(f"benchmark_report.py: no section for {', '.join(sorted(unknown))}")

    def parts(self, section):
        """The section's scenarios in the order of what varies."""
        if not section.varies:
            return [self.scenarios[section.name]] if section.name in self.scenarios else []
        parts = [s for name, s in self.scenarios.items() if name.startswith(section.name + "-")]
        return sorted(parts, key=lambda s: (int(s.parameters.get(section.varies, 0)), s.name))


# --- Verdicts -----------------------------------------------------------------------------------------------


@dataclass
class Verdict:
    section: str
    where: str  # workload, and the point if the section has several
    measure: str
    floor: float
    at_least: bool
    got: float | None
    runs: int
    runs_wanted: int

    @property
    def reached(self):
        """None if it could not be measured."""
        if self.got is None:
            return None
        return self.got >= self.floor if self.at_least else self.got <= self.floor

    def got_text(self):
        return hundredths(self.got, math.floor if self.at_least else math.ceil)

    def text(self):
        asked = f"{'floor' if self.at_least else 'at most'} {self.floor:.1f}"
        if self.got is None:
            return f"{asked}, not measured"
        return f"{asked}, got {self.got_text()}" + ("" if self.reached else ": **not reached**")


def judge(section, parts):
    """All verdicts of a section, in the order of its tables."""
    floors, verdicts = section.floors, []

    def add(scenario, workload, measure, floor, at_least, got):
        where = " ".join(filter(None, (workload, point_name(section, scenario))))
        verdicts.append(
            Verdict(
                section.name,
                where,
                measure,
                floor,
                at_least,
                got,
                min(scenario.runs(SUBJECT), scenario.runs(BASELINE)),
                floors.runs,
            )
        )

    for scenario in (s for s in parts if s.parameters):
        for workload in scenario.workloads():
            if workload in floors.throughput:
                add(scenario, workload, "throughput", floors.throughput[workload], True, scenario.ratio(workload, throughput))
        for workload in scenario.workloads():
            if workload in floors.no_slower:
                for name, measure in (("p99", "p99_us"), ("p99.9", "p999_us")):
                    add(scenario, workload, name, 1.0, False, scenario.ratio(workload, figure(measure)))
        if floors.written:
            add(scenario, "all workloads", "bytes written", floors.written, False, written_ratio(scenario))
            for workload in scenario.workloads():
                if workload in WRITES_ONLY:
                    add(
                        scenario,
                        workload,
                        "bytes written",
                        floors.written,
                        False,
                        scenario.ratio(workload, figure("device_bytes_written")),
                    )
        if floors.memory and scenario.budget():
            peaks = [peak for w in scenario.workloads() if (peak := scenario.median(SUBJECT, w, engine_memory)) is not None]
            add(scenario, "all workloads", "peak memory", 1.1, False, max(peaks) / scenario.budget() if peaks else None)
    return verdicts


def written_ratio(scenario):
    """Of the bytes that all workloads together wrote: warm-ups, which are not counted, are the same for all."""
    sums = [
        [scenario.median(engine, w, figure("device_bytes_written")) for w in scenario.workloads()]
        for engine in (SUBJECT, BASELINE)
    ]
    if any(value is None for column in sums for value in column) or not sum(sums[1]):
        return None
    return sum(sums[0]) / sum(sums[1])


# --- Words and numbers --------------------------------------------------------------------------------------


def quantity(value, unit=""):
    """1.41 M, 523 k, 812: three digits that mean something."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor * 0.9995:
            return f"{digits(value / factor)} {letter}{unit}"
    return f"{digits(value)}{' ' if unit else ''}{unit}"


def digits(value):
    return f"{value:,.{places_of(value)}f}"


def places_of(value):
    """Decimal places that make three digits, at most three places."""
    if value == 0 or abs(value) >= 99.95:
        return 0
    return min(3, 2 - math.floor(math.log10(abs(value) * 1.0005)))


def size(value):
    for factor, unit in ((1 << 30, "GiB"), (MIB, "MiB"), (1 << 10, "KiB")):
        if value >= factor:
            return f"{digits(value / factor)} {unit}"
    return f"{value:.0f} B"


def spread_text(spread):
    """1.41 M [1.38–1.44]: the range in the unit of the median; no range if there is one run."""
    if spread is None:
        return "–"
    median, low, high = spread
    if low == high:
        return quantity(median)
    factor = next((f for f in (1e9, 1e6, 1e3) if median >= f * 0.9995), 1)
    places = places_of(median / factor)
    return f"{quantity(median)} [{low / factor:,.{places}f}–{high / factor:,.{places}f}]"


def hundredths(value, towards):
    """Rounded to the side of failure, so that what missed a floor by little does not read as reached."""
    return f"{towards(round(value * 100, 6)) / 100:.2f}"


def ratio_text(spread):
    if spread is None:
        return "–"
    return hundredths(spread[0], math.floor) + (f" [{spread[1]:.2f}–{spread[2]:.2f}]" if spread[1] < spread[2] else "")


def point_name(section, scenario):
    """What sets a scenario apart from the others of its section."""
    value = int(scenario.parameters.get(section.varies, 0)) if section.varies else 0
    if section.varies == "threads":
        return f"{value} thread" + ("s" if value != 1 else "")
    if section.varies == "value_size":
        return f"{size(value)}"
    if section.varies == "records":
        return f"{value / 1e6:g} million"
    return ""


def setting(scenario):
    p = scenario.parameters
    sync = "each write synced" if p.get("sync") == "always" else "no sync"
    return (
        f"{int(p['records']):,} records of {KEY_BYTES} + {p['value_size']} bytes, {int(p['ops']):,} operations for each workload, "
        f"{p['threads']} thread{'s' if int(p['threads']) != 1 else ''}, memory {size(scenario.budget())}, {sync}, {p['distribution']}"
    )


def table(head, rows, left=1):
    """A table of Markdown; the first `left` columns to the left, the others to the right."""
    marks = [":--" if i < left else "--:" for i in range(len(head))]
    return ["| " + " | ".join(line) + " |" for line in (head, marks, *rows)] + [""]
