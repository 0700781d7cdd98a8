#!/usr/bin/env python3
"""tools/instruction_counts.py reads callgrind's dumps and sees a change of more than 5 %.

Usage: instruction_counts_test.py
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parent.parent.parent / "tools/instruction_counts.py"


class InstructionCountsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.work = pathlib.Path(self.folder.name)
        self.recorded = self.work / "out/instructions.json"
        self.run_of(load=1_000_000, scan_100=50_000)

    def run_of(self, **counts):
        """What a run leaves behind in which each phase had these instructions, and 100 operations."""
        for old in self.work.glob("dump*"):
            old.unlink()
        (self.work / "phases").write_text("about compiler 12.2.0\n" + "".join(f"{name} 100\n" for name in counts))
        for number, (name, count) in enumerate(counts.items(), 1):
            (self.work / f"dump.{number}").write_text(
                f"part: {number}\n\ndesc: Trigger: Client Request: {name}\n\nevents: Ir\nsummary: {count}\n\ntotals: {count + 17}\n"
            )
        (self.work / "dump").write_text("desc: Trigger: Program termination\n\nevents: Ir\nsummary: 99\n")

    def tool(self, action):
        return subprocess.run(
            [sys.executable, TOOL, self.work / "phases", self.work / "dump", action, self.recorded],
            capture_output=True,
            text=True,
            check=False,
        )

    def record(self):
        self.assertEqual(self.tool("--record").returncode, 0)

    def test_records_instructions_for_each_phase(self):
        self.record()
        self.assertEqual(
            json.loads(self.recorded.read_text()),
            {
                "about": {"compiler": "12.2.0"},
                "load": {"instructions_per_operation": 10000.0, "instructions": 1_000_000, "operations": 100},
                "scan_100": {"instructions_per_operation": 500.0, "instructions": 50_000, "operations": 100},
            },
        )

    def test_a_change_beyond_five_percent_fails_in_either_direction(self):
        self.record()
        for count, status in ((1_050_000, 0), (1_051_000, 1), (950_000, 0), (949_000, 1)):
            with self.subTest(count=count):
                self.run_of(load=count, scan_100=50_000)
                compared = self.tool("--compare")
                self.assertEqual(compared.returncode, status, compared.stdout)
                load = next(line for line in compared.stdout.splitlines() if line.startswith("load"))
                self.assertEqual("MORE" in load, count == 1_051_000)
                self.assertEqual("fewer" in load, count == 949_000)

    def test_a_phase_that_came_or_went_fails(self):
        self.record()
        for counts in ({"load": 1_000_000}, {"load": 1_000_000, "scan_100": 50_000, "more": 1}):
            self.run_of(**counts)
            self.assertEqual(self.tool("--compare").returncode, 1)

    def test_another_compiler_is_said(self):
        self.record()
        self.recorded.write_text(self.recorded.read_text().replace("12.2.0", "11.1.0"))
        compared = self.tool("--compare")
        self.assertEqual(compared.returncode, 0)
        self.assertIn("compiler was 11.1.0, is 12.2.0", compared.stdout)

    def test_a_phase_without_a_count_is_an_error_and_records_nothing(self):
        (self.work / "dump.2").unlink()
        done = self.tool("--record")
        self.assertEqual(done.returncode, 1)
        self.assertIn("scan_100", done.stderr)
        self.assertFalse(self.recorded.exists())

    def test_nothing_recorded_is_an_error(self):
        self.assertEqual(self.tool("--compare").returncode, 1)


if __name__ == "__main__":
    unittest.main()
