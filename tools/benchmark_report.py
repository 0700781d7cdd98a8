#!/usr/bin/env python3
"""Writes the benchmark's report from what nokv-bench measured: latest.md, latest.json and plots/*.svg.

Usage: benchmark_report.py CAMPAIGN --output DIRECTORY

CAMPAIGN is the folder of one campaign of scripts/benchmark.sh (benchmark_figures.py says what is in it). Paths of the
machine and its name do not get into the report.
"""

import argparse
import json
import pathlib
import re
import sys

import benchmark_plots as plots
from benchmark_figures import (
    amplification,
    BASELINE,
    Campaign,
    cpu_us,
    digits,
    ENGINES,
    figure,
    Floors,
    judge,
    MEANING,
    point_name,
    ratio_text,
    SECTIONS,
    setting,
    size,
    spread_text,
    SUBJECT,
    table,
    throughput,
    WORKLOADS,
    WRITES_ONLY,
    written_per_op,
)

# --- The report ---------------------------------------------------------------------------------------------


class Report:
    def __init__(self, campaign, output):
        self.campaign = campaign
        self.output = output
        self.lines = []
        self.verdicts = [v for section in SECTIONS for v in judge(section, campaign.parts(section))]
        self.written = set()

    def write(self):
        (self.output / "plots").mkdir(parents=True, exist_ok=True)
        self.head()
        for section in SECTIONS:
            if parts := self.campaign.parts(section):
                self.section(section, parts)
        self.end()
        (self.output / "latest.md").write_text("\n".join(self.lines).rstrip() + "\n")
        (self.output / "latest.json").write_text(json.dumps(self.document(), indent=1) + "\n")
        for name in {f"{section.name}-{kind}.svg" for section in SECTIONS for kind in PLOTS} - self.written:
            (self.output / "plots" / name).unlink(missing_ok=True)  # of an earlier campaign

    def document(self):
        return {
            **self.campaign.about,
            "missing": [{"engine": engine, "why": why} for engine, why in self.campaign.missing],
            "verdicts": [
                {**{name: getattr(v, name) for name in v.__dataclass_fields__}, "reached": v.reached} for v in self.verdicts
            ],
            "scenarios": [
                {
                    "name": s.name,
                    "section": section.name,
                    "command": s.command,
                    "status": s.status,
                    "seconds": s.seconds,
                    "parameters": s.parameters,
                    "results": s.results,
                    "failures": s.failures,
                }
                for section in SECTIONS
                for s in self.campaign.parts(section)
            ],
        }

    def say(self, *lines):
        """A paragraph; one empty line after it."""
        self.lines += [*lines, ""]

    # What belongs to all scenarios.
    def head(self):
        about = self.campaign.about
        mode = about.get("mode", "")
        self.say("# Benchmark")
        self.say(
            f"Written by `{about.get('command', 'scripts/benchmark.sh')}` on {about.get('date', 'an unknown day')} from commit "
            f"{about.get('commit', 'unknown')}. [bench/README.md](../../bench/README.md) defines every workload and every figure; every "
            "value that was read was checked. Figures are medians over the runs, with the least and the most in brackets. "
            f"A ratio is {SUBJECT} by {BASELINE}; its brackets are the ratios run by run."
        )
        if mode == "quick":
            self.say(
                "This is the quick campaign: few runs, an indication. `scripts/benchmark.sh --full` gives the figures that the floors ask for."
            )
        machine = next((s.machine for s in self.campaign.scenarios.values() if s.machine), {})
        rows = [(key, machine_text(key, value)) for key, value in machine.items()]
        if "filesystem" in about:
            rows.append(("filesystem", about["filesystem"]))
        limits = sorted(
            {
                str(s.parameters["memory_limit"]).split(":")[0]
                for s in self.campaign.scenarios.values()
                if "memory_limit" in s.parameters
            }
        )
        if limits:
            rows.append(("memory limit of each engine's process", "; ".join(limits)))
        self.say("## Machine and engines")
        self.lines += table(("", ""), rows, left=2)
        about_engines = {}
        for scenario in self.campaign.scenarios.values():
            about_engines.update(scenario.parameters.get("engines", {}))
        rows = [
            (f"`{e}`", str(about_engines[e]))
            for e in sorted(about_engines, key=lambda e: ENGINES.index(e) if e in ENGINES else 99)
        ]
        rows += [(f"`{engine}`", f"**missing**: {why}") for engine, why in self.campaign.missing]
        self.lines += table(("engine", "version and settings"), rows, left=2)
        self.summary()

    def summary(self):
        rows = []
        for section in SECTIONS:
            own = [v for v in self.verdicts if v.section == section.name]
            if not own:
                if section.floors != Floors() and self.campaign.parts(section):
                    rows.append(
                        (
                            f"[{section.title}](#{anchor(section.title)})",
                            "–",
                            f"0 of {section.floors.runs}",
                            "nothing was measured",
                        )
                    )
                continue
            failed = [f"{v.measure} of {v.where} ({v.got_text()} instead of {v.floor:.1f})" for v in own if v.reached is False]
            unknown = sum(v.reached is None for v in own)
            rows.append(
                (
                    f"[{section.title}](#{anchor(section.title)})",
                    f"{sum(bool(v.reached) for v in own)} of {len(own)}",
                    f"{min(v.runs for v in own)} of {own[0].runs_wanted}",
                    "; ".join(failed + ([f"{unknown} not measured"] if unknown else [])) or "–",
                )
            )
        if rows:
            self.say("## Floors")
            self.lines += table(("scenario", "reached", "runs, of those asked for", "not reached"), rows, left=4)

    # One scenario, or several that differ in one parameter.
    def section(self, section, parts):
        self.say(f"## {section.title}")
        self.say(section.about)
        self.say(*[("* " if section.varies else "") + self.what_ran(scenario) for scenario in parts])
        self.say("```sh", *[s.command for s in parts], "```")
        measured = [s for s in parts if s.results]
        if measured:
            self.throughput_table(section, measured)
            self.plots(section, measured)
            if section.floors.no_slower:
                self.latency_table(section, measured)
            self.other_verdicts(section)
            self.details(section, measured)
        failures = [(point_name(section, s), f) for s in parts for f in s.failures]
        if failures:
            self.say("Failures (the figures of the whole run are void):")
            self.say(
                *[
                    f"* {', '.join(filter(None, (f['engine'], f['workload'] or 'start', point)))}, run {f['run']}: {f['message']}"
                    for point, f in failures
                ]
            )

    def what_ran(self, scenario):
        """The setting, how many runs there are, and what is not as it was to be."""
        if not scenario.parameters:
            return f"{scenario.name}: {scenario.status}."
        counts = {engine: scenario.runs(engine) for engine in scenario.engines()}
        most = max(counts.values(), default=0)
        sentence = (
            f"{setting(scenario)}. Runs: {most}"
            + "".join(f", {engine} {count}" for engine, count in counts.items() if count != most)
            + "."
        )
        if scenario.status != "complete":
            sentence += f" {scenario.status[:1].upper()}{scenario.status[1:]}."
        limit = str(scenario.parameters.get("memory_limit", ""))
        if limit.startswith("not enforced"):
            sentence += f" The limit of memory was {limit}."
        return sentence

    def rows_of(self, section, parts):
        """(name of the row, scenario, workload), by workload and then by what varies."""
        workloads = [w for w in WORKLOADS if any(w in s.workloads() for s in parts)]
        return [
            (f"{w}, {point_name(section, s)}" if section.varies else w, s, w)
            for w in workloads
            for s in parts
            if w in s.workloads()
        ]

    def engines_of(self, parts):
        names = {engine for s in parts for engine in s.engines()}
        return sorted(names, key=lambda e: (ENGINES.index(e) if e in ENGINES else len(ENGINES), e))

    def verdict(self, section, where, measure):
        return next((v.text() for v in self.verdicts if (v.section, v.where, v.measure) == (section.name, where, measure)), "–")

    def throughput_table(self, section, parts):
        engines = self.engines_of(parts)
        has_floors = any(v.section == section.name and v.measure == "throughput" for v in self.verdicts)
        compares = SUBJECT in engines and BASELINE in engines
        rows = []
        for name, scenario, workload in self.rows_of(section, parts):
            row = [f"**{workload}**" + name[len(workload) :] + ("" if section.varies else f" {MEANING.get(workload, '')}")]
            row += [spread_text(scenario.spread(engine, workload, throughput)) for engine in engines]
            if compares:
                row.append(ratio_text(scenario.ratio_spread(workload, throughput)))
            if has_floors:
                row.append(self.verdict(section, name.replace(",", ""), "throughput"))
            rows.append(row)
        head = [
            "operations a second",
            *engines,
            *([f"{SUBJECT} ÷ {BASELINE}"] if compares else []),
            *(["floor"] if has_floors else []),
        ]
        self.lines += table(head, rows)

    def latency_table(self, section, parts):
        self.say(f"Latency of {SUBJECT} and {BASELINE}, µs, and the ratio of the former to the latter:")
        rows = []
        for name, scenario, workload in self.rows_of(section, parts):
            row = [f"**{name}**"]
            for measure, label in (("p50_us", ""), ("p99_us", "p99"), ("p999_us", "p99.9")):
                own, other = (scenario.median(engine, workload, figure(measure)) for engine in (SUBJECT, BASELINE))
                row.append("–" if own is None or other is None else f"{digits(own)} / {digits(other)}")
                if label:
                    row.append(self.verdict(section, name.replace(",", ""), label))
            rows.append(row)
        self.lines += table(("", "p50", "p99", "p99 ratio", "p99.9", "p99.9 ratio"), rows)

    def other_verdicts(self, section):
        rows = [
            (f"{v.measure}, {v.where}", v.text())
            for v in self.verdicts
            if v.section == section.name and v.measure in ("bytes written", "peak memory")
        ]
        if rows:
            self.lines += table(("", f"bytes written as a ratio to {BASELINE}, memory to the budget"), rows, left=2)

    def details(self, section, parts):
        for workload in [w for w in WORKLOADS if any(w in s.workloads() for s in parts)]:
            writes = workload in WRITES_ONLY
            rows = []
            for scenario in parts:
                for engine in scenario.engines():
                    spread = scenario.spread(engine, workload, throughput)
                    if spread is None:
                        continue
                    middle = lambda measure, s=scenario, e=engine: s.median(e, workload, measure)
                    relative = scenario.ratio(workload, throughput, engine)
                    rows.append(
                        [
                            *([point_name(section, scenario)] if section.varies else []),
                            engine,
                            spread_text(spread),
                            f"{relative:.2f}" if relative is not None else "–",
                            *[digits(middle(figure(f"{p}_us"))) for p in ("mean", "p50", "p95", "p99", "p999", "max")],
                            digits(middle(cpu_us)),
                            digits(middle(written_per_op)),
                            *([digits(middle(amplification))] if writes else []),
                            f"{middle(figure('settle_seconds')):.1f}",
                            size(middle(figure("disk_bytes"))),
                            size(middle(figure("peak_rss_bytes"))),
                        ]
                    )
            head = [
                *([section.varies.replace("_", " ")] if section.varies else []),
                "engine",
                "operations/s",
                f"÷ {BASELINE}",
                "mean µs",
                "p50",
                "p95",
                "p99",
                "p99.9",
                "max",
                "CPU µs/op",
                "bytes written/op",
                *(["write amplification"] if writes else []),
                "settled in s",
                "disk",
                "peak memory",
            ]
            self.say(
                "<details>",
                f"<summary>{workload}: {MEANING.get(workload, '')}, all figures</summary>",
                "",
                *table(head, rows, left=2 if section.varies else 1),
                "</details>",
            )

    # The plots of a section.
    def plots(self, section, parts):
        for kind, draw in PLOTS.items():
            svg = draw(section, parts, self.engines_of(parts))
            if svg:
                name = f"{section.name}-{kind}.svg"
                (self.output / "plots" / name).write_text(svg)
                self.written.add(name)
                self.say(f"![{section.title}: {kind}](plots/{name})")

    def end(self):
        self.say("## How to repeat")
        self.say(
            "```sh",
            "scripts/benchmark.sh --quick    # at most 15 minutes",
            "scripts/benchmark.sh --full     # at most 3 hours; once stopped, it goes on where it was",
            "```",
        )
        self.say(
            "All figures of all runs are in [latest.json](latest.json). Bytes written and processor time include the settling after each "
            "workload, so work that an engine puts off is counted; p50 to p99.9 are of single calls. Peak memory includes what the driver "
            "holds; for the floor that part is taken off. Write amplification is bytes written by bytes of keys and values given to the engine."
        )


def machine_text(key, value):
    if key == "memory" and (match := re.fullmatch(r"(\d+) kB", str(value))):
        return size(int(match[1]) * 1024)
    return str(value)


def anchor(title):
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


# --- Plots: what of the figures each one shows --------------------------------------------------------------


def single(section, parts):
    """The scenario of a section that has one and in which the baseline took part; None for the others."""
    return parts[0] if not section.varies and parts and SUBJECT in parts[0].engines() else None


def ratio_plot(section, parts, engines):
    scenario = single(section, parts)
    if scenario is None or BASELINE not in engines:
        return None
    columns = []
    for workload in scenario.workloads():
        others = {
            e: r for e in engines if e not in (SUBJECT, BASELINE) and (r := scenario.ratio(workload, throughput, e)) is not None
        }
        columns.append((workload, scenario.ratio_spread(workload, throughput), section.floors.throughput.get(workload), others))
    return plots.ratio_bars(
        f"Throughput relative to {BASELINE}: {section.title.lower()}",
        f"Bars: {SUBJECT}, with the range of its runs. {'Marks: the other engines. ' if len(engines) > 2 else ''}{setting(scenario)}.",
        SUBJECT,
        BASELINE,
        columns,
    )


def latency_plot(section, parts, engines):
    scenario = single(section, parts)
    if scenario is None:
        return None
    names = ("p50_us", "p95_us", "p99_us", "p999_us")
    panels = [
        (
            (w, MEANING.get(w, "")),
            {e: [scenario.median(e, w, figure(n)) for n in names] for e in engines if (e, w) in scenario.by},
        )
        for w in scenario.workloads()
    ]
    return plots.curve_panels(
        f"Latency of a call: {section.title.lower()}",
        "Percentiles, medians over the runs; each panel has its own scale. Lower is better.",
        engines,
        panels,
        ("p50", "p95", "p99", "p99.9"),
        plots.duration,
        (SUBJECT, BASELINE),
    )


def bar_plot(measure, heading, explanation, wanted, leave_out=()):
    def draw(section, parts, engines):
        scenario = single(section, parts)
        if scenario is None:
            return None
        shown = [e for e in engines if e not in leave_out]
        panels = [
            ((w, MEANING.get(w, "")), {e: s for e in shown if (s := scenario.spread(e, w, measure)) is not None})
            for w in scenario.workloads()
            if w in wanted
        ]
        return (
            plots.bar_panels(f"{heading}: {section.title.lower()}", explanation, shown, panels, (SUBJECT, BASELINE))
            if panels
            else None
        )

    return draw


def by_point(measure, heading, explanation, varies, scale, label, tick, tick_heading, logarithmic):
    def draw(section, parts, engines):
        if section.varies != varies:
            return None
        workloads = [w for w in WORKLOADS if any(w in s.workloads() for s in parts)]
        panels = [
            (
                (w, MEANING.get(w, "")),
                {
                    e: [None if (m := s.median(e, w, measure)) is None else m * scale for s in parts]
                    for e in engines
                    if any((e, w) in s.by for s in parts)
                },
            )
            for w in workloads
        ]
        ticks = [tick(int(s.parameters[varies])) for s in parts]
        return plots.curve_panels(
            heading,
            explanation,
            engines,
            panels,
            ticks,
            label,
            (SUBJECT, BASELINE),
            logarithmic,
            columns=3 if len(panels) in (3, 5, 6) else min(4, len(panels)),
            tick_heading=tick_heading,
        )

    return draw


PLOTS = {
    "ratio": ratio_plot,
    "latency": latency_plot,
    "bytes": bar_plot(
        written_per_op,
        "Bytes written to the device per operation",
        "With the settling after the workload. Bars far longer than the two upper ones are cut. Less is better.",
        ("load", "A", "F", "U"),
        leave_out=("hash",),
    ),
    "cpu": bar_plot(
        cpu_us,
        "Processor time per operation, µs",
        "Of the whole process, background work and settling included. Bars far longer than the two upper ones are cut. Less is better.",
        WORKLOADS,
    ),
    "cost": by_point(
        cpu_us,
        "Cost per operation from 1 to 16 million records",
        "Microseconds of processor time per operation, background work included. Lower is better.",
        "records",
        1,
        lambda v: f"{v:g}",
        lambda v: f"{v / 1e6:g}",
        "million records",
        False,
    ),
    "mean": by_point(
        figure("mean_us"),
        "Mean latency from 1 to 16 million records",
        "Microseconds of a call. Lower is better.",
        "records",
        1,
        lambda v: f"{v:g}",
        lambda v: f"{v / 1e6:g}",
        "million records",
        False,
    ),
    "throughput": by_point(
        throughput,
        "Throughput by size of the value",
        "Operations a second. Higher is better.",
        "value_size",
        1,
        plots.short,
        lambda v: f"{v}" if v < 1024 else f"{v // 1024} K",
        "bytes",
        True,
    ),
    "threads": by_point(
        throughput,
        "Synced writes by number of threads",
        "Operations a second. Higher is better.",
        "threads",
        1,
        plots.short,
        str,
        "threads",
        True,
    ),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("campaign", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    campaign = Campaign(arguments.campaign)
    if not campaign.scenarios:
        sys.exit("benchmark_report.py: nothing was measured")
    Report(campaign, arguments.output).write()


if __name__ == "__main__":
    main()
