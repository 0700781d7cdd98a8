#!/usr/bin/env python3
"""tools/benchmark_report.py says what was measured, and scripts/benchmark.sh measures what it says.

Usage: benchmark_report_test.py

The report is made from figures invented here; the script runs in a copy of the few files that it needs, with a small
program in the place of nokv-bench.
"""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import benchmark_figures  # noqa: E402
import benchmark_plots  # noqa: E402
import benchmark_report  # noqa: E402

MIB = 1 << 20


def result(engine, workload, run, **figures):
    """One result with round figures, but for those that are given."""
    ops = figures.get("ops", 1000)
    return {
        "engine": engine,
        "workload": workload,
        "run": run,
        "ops": ops,
        "seconds": 1.0,
        "ops_per_second": 1000.0,
        "mean_us": 1.0,
        "p50_us": 1.0,
        "p95_us": 2.0,
        "p99_us": 4.0,
        "p999_us": 8.0,
        "max_us": 100.0,
        "cpu_seconds": 0.002,
        "device_bytes_written": 552_000,
        "disk_bytes": 300_000,
        "peak_rss_bytes": 560 * MIB,
        "driver_bytes": 60 * MIB,
        "reads_verified": ops,
        "settle_seconds": 0.5,
        "settle_cpu_seconds": 0.0,
        **figures,
    }


def parameters(**given):
    return {
        "workloads": ["load", "C"],
        "records": 1000,
        "ops": 1000,
        "warmup": 100,
        "threads": 2,
        "value_size": 256,
        "memory": 512 * MIB,
        "sync": "none",
        "distribution": "zipfian",
        "seed": 1,
        "machine": {
            "processor": "a processor",
            "cores": 2,
            "memory": "2097152 kB",
            "kernel": "Linux 6.1.0",
            "hostname": "tell-nobody",
        },
        "memory_limit": "enforced by a control group, page cache included: 700000000 bytes",
        "engines": {"nokv": "version 1", "rocksdb": "version 7"},
        **given,
    }


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.campaign = pathlib.Path(self.folder.name) / "campaign"
        self.output = pathlib.Path(self.folder.name) / "output"
        self.campaign.mkdir()
        self.about("mode\tfull")

    def about(self, *lines):
        (self.campaign / "campaign").write_text("\n".join(lines) + "\n")

    def scenario(self, name, results, status="complete", failures=(), **given):
        document = {"parameters": parameters(**given), "results": results, "failures": list(failures)}
        (self.campaign / f"{name}.json").write_text(json.dumps(document))
        (self.campaign / f"{name}.info").write_text(f"command\tnokv-bench ycsb of {name}\nstatus\t{status}\nseconds\t10\n")

    def write(self):
        benchmark_report.Report(benchmark_figures.Campaign(self.campaign), self.output).write()
        return (self.output / "latest.md").read_text(), json.loads((self.output / "latest.json").read_text())

    def row(self, text, start):
        rows = [
            [cell.strip() for cell in line.strip("| ").split(" | ")]
            for line in text.splitlines()
            if line.startswith(f"| {start}")
        ]
        self.assertTrue(rows, f"no row begins with {start}")
        return rows[0]

    def verdict(self, document, where, measure):
        found = [v for v in document["verdicts"] if (v["where"], v["measure"]) == (where, measure)]
        self.assertEqual(len(found), 1, f"{where} {measure}")
        return found[0]

    def compared(self, workload, own, other, measure="ops_per_second", name="main", **given):
        """A scenario with these figures of nokv and rocksdb, run by run."""
        self.scenario(
            name,
            [
                result(engine, workload, run, **{measure: figure})
                for engine, figures in (("nokv", own), ("rocksdb", other))
                for run, figure in enumerate(figures, 1)
            ],
            workloads=[workload],
            **given,
        )

    def test_throughput_is_the_median_with_its_range_and_the_ratio_is_of_medians(self):
        self.compared("load", [2_000_000, 1_000_000, 2_500_000], [1_000_000, 900_000, 800_000])
        text, _ = self.write()
        row = self.row(text, "**load**")
        self.assertEqual(row[1:4], ["2.00 M [1.00–2.50]", "900 k [800–1,000]", "2.22 [1.11–3.12]"])

    def test_floor_reached_missed_and_missed_by_little(self):
        for own, reached, words in (
            ([2300], True, "floor 2.0, got 2.30"),
            ([1500], False, "floor 2.0, got 1.50: **not reached**"),
            ([1999], False, "floor 2.0, got 1.99: **not reached**"),
            ([2000], True, "floor 2.0, got 2.00"),
        ):
            with self.subTest(own=own):
                self.compared("A", own, [1000])
                text, document = self.write()
                self.assertEqual(self.row(text, "**A**")[-1], words)
                self.assertIs(self.verdict(document, "A", "throughput")["reached"], reached)
                self.assertEqual("throughput of A" in text, not reached)

    def test_latency_must_not_be_above_the_baseline(self):
        for own, reached in ((4.0, True), (4.001, False), (3.0, True)):
            with self.subTest(own=own):
                self.compared("C", [own], [4.0], "p99_us")
                text, document = self.write()
                self.assertIs(self.verdict(document, "C", "p99")["reached"], reached)
                self.assertIs(self.verdict(document, "C", "p99.9")["reached"], True)
                self.assertEqual("at most 1.0, got 1.01: **not reached**" in text, not reached)

    def test_peak_memory_is_judged_without_what_the_driver_holds(self):
        for own, reached in ((620, True), (640, False)):  # 60 MiB are the driver's, 563.2 MiB are allowed
            with self.subTest(own=own):
                self.compared("C", [own * MIB], [100 * MIB], "peak_rss_bytes")
                _, document = self.write()
                self.assertIs(self.verdict(document, "all workloads", "peak memory")["reached"], reached)

    def test_bytes_written_are_judged_in_sum_and_for_pure_writes(self):
        results = [
            result(engine, workload, 1, device_bytes_written=written)
            for engine, load, reads in (("nokv", 790, 100), ("rocksdb", 1000, 0))
            for workload, written in (("load", load), ("C", reads))
        ]
        self.scenario("large", results)
        _, document = self.write()
        self.assertAlmostEqual(self.verdict(document, "all workloads", "bytes written")["got"], 0.89)
        self.assertIs(self.verdict(document, "all workloads", "bytes written")["reached"], False)
        self.assertIs(self.verdict(document, "load", "bytes written")["reached"], True)

    def test_every_floor_of_the_main_table_is_there(self):
        workloads = ["load", "A", "B", "C", "D", "E", "F", "U", "R", "M", "S"]
        self.scenario("main", [result(e, w, 1) for e in ("nokv", "rocksdb") for w in workloads], workloads=workloads)
        _, document = self.write()
        floors = {v["where"]: v["floor"] for v in document["verdicts"] if v["measure"] == "throughput"}
        self.assertEqual(floors, {**{w: 2.0 for w in ("load", "A", "B", "C", "D", "F", "U")}, "E": 1.5, "S": 1.5, "R": 1.5})

    def test_synced_load_is_judged_at_each_number_of_threads(self):
        for threads, own in ((1, 1300), (2, 1100), (16, 1200)):
            self.compared("load", [own], [1000], name=f"synced-{threads}", threads=threads)
        text, document = self.write()
        self.assertEqual(
            [self.verdict(document, f"load {n}", "throughput")["reached"] for n in ("1 thread", "2 threads", "16 threads")],
            [True, False, True],
        )
        rows = [line for line in text.splitlines() if line.startswith("| **load**")]
        self.assertEqual([re.search(r"\d+ threads?", row)[0] for row in rows], ["1 thread", "2 threads", "16 threads"])

    def test_without_the_baseline_floors_are_not_measured(self):
        self.scenario("main", [result("nokv", "load", 1)], workloads=["load"], engines={"nokv": "version 1"})
        text, document = self.write()
        self.assertIsNone(self.verdict(document, "load", "throughput")["reached"])
        self.assertIn("floor 2.0, not measured", text)

    def test_figures_of_a_failed_run_are_void_and_the_failure_is_listed(self):
        self.scenario(
            "main",
            [
                result("nokv", "load", 1, ops_per_second=10.0),
                result("nokv", "load", 2, ops_per_second=3000.0),
                result("rocksdb", "load", 1),
                result("rocksdb", "load", 2),
            ],
            workloads=["load"],
            failures=[{"engine": "nokv", "workload": "C", "run": 1, "message": "record 7 has another value"}],
        )
        text, document = self.write()
        self.assertAlmostEqual(self.verdict(document, "load", "throughput")["got"], 3.0)
        self.assertIn("* nokv, C, run 1: record 7 has another value", text)
        self.assertIn("Runs: 2, nokv 1.", text)

    def test_what_was_not_finished_and_what_is_missing_is_said(self):
        self.about("mode\tfull", "missing\tbadger\tGo is not installed")
        self.scenario("main", [result("nokv", "load", 1)], status="stopped when its time was over, before all runs were done")
        (self.campaign / "large.info").write_text("command\tnokv-bench ycsb\nstatus\tnot run: no time was left\n")
        text, document = self.write()
        self.assertIn("Stopped when its time was over, before all runs were done.", text)
        self.assertIn("large: not run: no time was left.", text)
        self.assertEqual(self.row(text, "[More data than memory]")[-1], "nothing was measured")
        self.assertIn("| `badger` | **missing**: Go is not installed |", text)
        self.assertEqual(document["missing"], [{"engine": "badger", "why": "Go is not installed"}])

    def test_memory_that_was_not_limited_is_said(self):
        self.compared("load", [2000], [1000], memory_limit="not enforced: no control group could be made: Permission denied")
        text, _ = self.write()
        self.assertIn("The limit of memory was not enforced: no control group could be made: Permission denied.", text)

    def test_quantities_per_operation(self):
        self.compared("load", [2000], [1000])
        text, _ = self.write()
        details = text[text.index("<summary>load") :]
        head = self.row(details, "engine")
        row = dict(zip(head, self.row(details, "nokv")))
        self.assertEqual(
            (row["CPU µs/op"], row["bytes written/op"], row["write amplification"], row["peak memory"]),
            ("2.00", "552", "2.00", "560 MiB"),
        )
        self.assertEqual((row["p99"], row["÷ rocksdb"]), ("4.00", "2.00"))

    def test_no_path_and_no_name_of_the_machine_gets_out(self):
        self.about("mode\tfull", "missing\tpebble\tgo build failed: /somewhere/go/bin/go: no such file")
        self.scenario(
            "main",
            [result("nokv", "load", 1), result("rocksdb", "load", 1)],
            workloads=["load"],
            failures=[
                {"engine": "nokv", "workload": "", "run": 3, "message": "/somewhere/deep/000012.sst: corrupt (/somewhere/x/y)"}
            ],
            engines={"nokv": "built in /somewhere/else/build", "rocksdb": "version 7"},
        )
        text, document = self.write()
        for content in (text, json.dumps(document), *[p.read_text() for p in (self.output / "plots").iterdir()]):
            self.assertNotIn("/somewhere", content)
            self.assertNotIn("tell-nobody", content)
        self.assertIn("000012.sst: corrupt", text)

    def test_plots_are_well_formed_and_drawn_for_what_there_is(self):
        everything = ["load", "A", "C", "S"]
        self.scenario(
            "main",
            [
                result(e, w, r, device_bytes_written=0)
                for e in ("nokv", "rocksdb", "hash", "unheard-of")
                for w in everything
                for r in (1, 2)
                if (e, w) != ("hash", "S")
            ],
            workloads=everything,
        )
        for millions in (1, 2, 4):
            self.scenario(f"scale-{millions}", [result("nokv", w, 1) for w in ("load", "C")], records=millions * 1000000)
        text, _ = self.write()
        drawn = {path.name for path in (self.output / "plots").iterdir()}
        self.assertEqual(
            drawn, {"main-ratio.svg", "main-latency.svg", "main-bytes.svg", "main-cpu.svg", "scale-cost.svg", "scale-mean.svg"}
        )
        for path in (self.output / "plots").iterdir():
            self.assertIn(f"(plots/{path.name})", text)
            root = ElementTree.parse(path).getroot()
            width, height = (float(root.get(name)) for name in ("width", "height"))
            for element in root.iter():
                for name, most in (("x", width), ("x1", width), ("x2", width), ("y", height), ("y1", height), ("y2", height)):
                    if element.get(name) is not None:
                        self.assertTrue(0 <= float(element.get(name)) <= most, f"{path.name}: {element.tag} {element.attrib}")

    def test_plots_of_an_earlier_campaign_go(self):
        self.scenario("main", [result("nokv", "load", 1), result("rocksdb", "load", 1)], workloads=["load"])
        (self.output / "plots").mkdir(parents=True)
        for name in ("large-ratio.svg", "of-somebody-else.svg"):
            (self.output / "plots" / name).write_text("<svg/>")
        self.write()
        self.assertFalse((self.output / "plots/large-ratio.svg").exists())
        self.assertTrue((self.output / "plots/of-somebody-else.svg").exists())

    def test_scales_hold_what_they_show(self):
        for numbers in ([0.031, 5.0], [3.0], [9, 10, 11], [999, 1001], [1e-3, 1e6]):
            for scale in (benchmark_plots.log_scale, benchmark_plots.linear_scale):
                y, marks = scale(numbers, 100, 200)
                self.assertTrue(all(100 <= y(n) <= 200 for n in [*numbers, *marks]), (numbers, marks))
                self.assertTrue(2 <= len(marks) <= 12, (numbers, marks))

    def test_digits(self):
        self.assertEqual(
            [benchmark_figures.digits(n) for n in (0, 0.0123, 1.234, 12.34, 123.4, 12345)],
            ["0", "0.012", "1.23", "12.3", "123", "12,345"],
        )
        self.assertEqual([benchmark_figures.quantity(n) for n in (812, 999.9, 1_410_000)], ["812", "1.00 k", "1.41 M"])


FAKE = textwrap.dedent("""\
    #!{python}
    # In the place of nokv-bench: every operation takes a microsecond, and a run as long as the file `slow` says.
    import json, os, pathlib, sys, time
    arguments = sys.argv[2:]
    flags = {{a: b for a, b in zip(arguments, arguments[1:]) if a.startswith("--")}}
    here = pathlib.Path(__file__).parent
    with open(here / "calls", "a") as calls:
        calls.write(" ".join(arguments) + "\\n")
    pathlib.Path(flags["--directory"], "a-database").write_text("")
    target = pathlib.Path(flags["--json"])
    document = json.loads(target.read_text()) if target.exists() and "--resume" in arguments else {{"results": []}}
    document["parameters"] = {parameters}
    document["parameters"]["workloads"] = flags["--workloads"].split(",")
    document["parameters"]["threads"] = int(flags["--threads"])
    document["parameters"]["records"] = int(flags["--records"])
    document["parameters"]["engines"] = {{e: "of the test" for e in flags["--engines"].split(",")}}
    document["failures"] = []
    done = {{(r["engine"], r["run"]) for r in document["results"]}}
    for run in range(1, int(flags["--runs"]) + 1):
        for engine in flags["--engines"].split(","):
            if (engine, run) in done:
                continue
            time.sleep(float((here / "slow").read_text()) if (here / "slow").exists() else 0)
            if engine == "lmdb" and (here / "lmdb-fails").exists():
                document["failures"].append({{"engine": engine, "workload": "load", "run": run, "message": "no"}})
                continue
            for workload in flags["--workloads"].split(","):
                document["results"].append({{**{result}, "engine": engine, "workload": workload, "run": run}})
            target.write_text(json.dumps(document))
    target.write_text(json.dumps(document))
    sys.exit(1 if document["failures"] else 0)
    """)


class ScriptTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.tree = pathlib.Path(self.folder.name)
        tools = [f"tools/benchmark_{name}.py" for name in ("report", "figures", "plots")]
        for name in ("scripts/benchmark.sh", *tools):
            (self.tree / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.tree / name)
        self.bench = self.tree / "build/bench"
        self.bench.mkdir(parents=True)
        program = self.bench / "nokv-bench"
        program.write_text(FAKE.format(python=sys.executable, parameters=parameters(), result=result("", "", 0)))
        program.chmod(0o755)

    def command(self, *arguments):
        return [str(self.tree / "scripts/benchmark.sh"), "--no-build", *arguments]

    def run_script(self, *arguments, status=0):
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False, timeout=120, cwd=self.tree)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def calls(self):
        path = self.bench / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def document(self):
        return json.loads((self.tree / "docs/benchmarks/latest.json").read_text())

    def test_quick_measures_every_scenario_and_writes_the_report(self):
        self.run_script("--quick")
        self.assertEqual([s["name"] for s in self.document()["scenarios"]], ["main", "synced-1", "synced-2", "synced-16"])
        self.assertTrue(all(s["status"] == "complete" for s in self.document()["scenarios"]))
        text = (self.tree / "docs/benchmarks/latest.md").read_text()
        self.assertIn(
            "--workloads load,A,B,C,D,E,F,U,R,M,S --ops 500000 --records 1000000 --value-size 256 --memory 512MiB", text
        )
        self.assertNotIn(str(self.tree), text)
        self.assertFalse((self.tree / "build/benchmark/quick/data").exists())

    def test_every_scenario_of_both_campaigns_has_a_section_of_the_report(self):
        names = {section.name for section in benchmark_figures.SECTIONS}
        for mode, most in (("--quick", 15), ("--full", 180)):
            lines = self.run_script(mode, "--list").splitlines()
            self.assertTrue({re.match(r"[a-z]+", line)[0] for line in lines} <= names)
            self.assertTrue(all(int(re.search(r"at most (\d+) min", line)[1]) <= most for line in lines))

    def test_only_and_runs_select(self):
        self.run_script("--full", "--only", "synced,main", "--runs", "2")
        calls = self.calls()
        self.assertEqual(len(calls), 4)
        self.assertTrue(all("--runs 2 " in call for call in calls))
        self.assertEqual({s["name"] for s in self.document()["scenarios"]}, {"main", "synced-1", "synced-2", "synced-16"})
        self.run_script("--full", "--only", "nothing", status=2)

    def test_engines_in_go_that_were_not_built_are_missing_and_not_asked_for(self):
        self.run_script("--full", "--only", "synced-1", "--runs", "1")
        self.assertIn("--engines nokv,rocksdb,leveldb,lmdb ", self.calls()[0])
        self.assertEqual([m["engine"] for m in self.document()["missing"]], ["badger", "pebble", "nokv-go"])

    def test_a_driver_in_go_gives_its_engines_and_says_which_it_lacks(self):
        driver = self.bench / "nokv-bench-go"
        driver.write_text(
            '#!/bin/sh\necho \'{"engine":"pebble","version":"2"}\'\n'
            'echo "nokv-go is not in this build: its module is refused" >&2\n'
        )
        driver.chmod(0o755)
        self.run_script("--full", "--only", "synced-1", "--runs", "1")
        call = self.calls()[0]
        self.assertIn("--engines nokv,rocksdb,leveldb,lmdb,pebble ", call)
        self.assertIn("--go-driver build/bench/nokv-bench-go", call)
        self.assertEqual(
            {m["engine"]: m["why"] for m in self.document()["missing"]},
            {"badger": "the driver in Go was built without it", "nokv-go": "its module is refused"},
        )

    def test_a_stopped_campaign_goes_on_and_an_ended_one_begins_anew(self):
        (self.bench / "slow").write_text("0.5")
        script = subprocess.Popen(
            self.command("--full", "--only", "synced-1"), cwd=self.tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        json_file = self.tree / "build/benchmark/full/synced-1.json"
        deadline = time.monotonic() + 60
        while not json_file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        script.send_signal(signal.SIGINT)
        self.assertEqual(script.wait(30), 130)
        self.calls()
        (self.bench / "slow").write_text("0")

        before = {(r["engine"], r["run"]) for r in json.loads(json_file.read_text())["results"]}
        self.assertTrue(0 < len(before) < 20, before)
        marked = json.loads(json_file.read_text())
        marked["results"][0]["ops_per_second"] = 77.0
        json_file.write_text(json.dumps(marked))
        self.run_script("--full", "--only", "synced-1")
        self.assertIn("--resume", self.calls()[0])
        results = self.document()["scenarios"][0]["results"]
        self.assertEqual(len(results), 20)
        self.assertIn(77.0, {r["ops_per_second"] for r in results})

        self.run_script("--full", "--only", "synced-1")
        self.assertNotIn(77.0, {r["ops_per_second"] for r in self.document()["scenarios"][0]["results"]})

    def test_what_another_program_measured_is_not_kept(self):
        self.run_script("--full", "--only", "synced-1")
        self.calls()
        json_file = self.tree / "build/benchmark/full/synced-1.json"
        json_file.write_text(json_file.read_text().replace("1000.0", "77.0"))
        with open(self.bench / "nokv-bench", "a") as program:
            program.write("# changed\n")
        self.run_script("--full", "--only", "synced-1,synced-2")
        self.assertNotIn("77.0", json_file.read_text())

    def test_more_runs_keep_those_that_there_are(self):
        (self.bench / "slow").write_text("0")
        self.run_script("--full", "--only", "synced-1", "--runs", "1")
        json_file = self.tree / "build/benchmark/full/synced-1.json"
        json_file.write_text(json_file.read_text().replace("1000.0", "77.0"))
        self.run_script("--full", "--only", "synced-1", "--runs", "2")
        self.assertEqual(
            sorted(r["ops_per_second"] for r in json.loads(json_file.read_text())["results"]), [77.0] * 4 + [1000.0] * 4
        )

    def test_failures_are_reported_and_do_not_stop_the_campaign(self):
        (self.bench / "lmdb-fails").write_text("")
        self.run_script("--quick")
        self.assertEqual({s["status"] for s in self.document()["scenarios"]}, {"some runs failed"})
        self.assertIn("* lmdb, load", (self.tree / "docs/benchmarks/latest.md").read_text())

    def test_two_at_once_are_refused(self):
        (self.bench / "slow").write_text("1")
        first = subprocess.Popen(
            self.command("--quick", "--only", "synced-1"), cwd=self.tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not (self.bench / "calls").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertIn("another benchmark is running", self.run_script("--quick", status=2))
        first.terminate()
        self.assertEqual(first.wait(30), 143)


if __name__ == "__main__":
    unittest.main()
