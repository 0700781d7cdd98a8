"""The plots of the benchmark report, as SVG text. benchmark_report.py is the only user.

Every plot brings its own ground, light or dark as the reader's system says, so that it is readable on any page;
fonts are those of the system. Colours are told apart by colour-blind readers too (after Okabe and Ito, and Tol), and
none carries meaning alone: bars stand beside names, lines have markers of different shapes.
"""

import math
from xml.sax.saxutils import escape

# Engine: colour on light, colour on dark, marker. Engines that are not listed get the last line.
STYLES = {
    "nokv": ("#0072b2", "#4aa8e8", "circle"),
    "rocksdb": ("#d55e00", "#f28a3d", "square"),
    "rocksdb-rowcache": ("#b38600", "#f0c75e", "diamond"),
    "leveldb": ("#009e73", "#3ecfa3", "up"),
    "lmdb": ("#c2609b", "#e79cc6", "down"),
    "pebble": ("#332288", "#a79bf2", "cross"),
    "badger": ("#2a97c9", "#9bd8f7", "plus"),
    "nokv-go": ("#7f7f1f", "#c9c95c", "bar"),
    "hash": ("#6e7781", "#9198a1", "ring"),
}
FALLBACK = ("#6e7781", "#9198a1", "ring")
WIDTH = 920
FONT = 12
SMALL = 10.5


def style_sheet():
    light = [
        "text{fill:#1f2328;font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif}",
        ".ground{fill:#ffffff;stroke:#d1d9e0}",
        ".cut{stroke:#ffffff}",
        ".muted{fill:#59636e}",
        ".grid{stroke:#dfe4ea}",
        ".axis{stroke:#59636e}",
        ".floor{stroke:#1f2328}",
        ".whisker{stroke:#1f2328}",
    ]
    dark = [
        "text{fill:#e6edf3}",
        ".ground{fill:#161b22;stroke:#30363d}",
        ".cut{stroke:#161b22}",
        ".muted{fill:#9da7b3}",
        ".grid{stroke:#2d333b}",
        ".axis{stroke:#9da7b3}",
        ".floor{stroke:#e6edf3}",
        ".whisker{stroke:#e6edf3}",
    ]
    for name, (on_light, on_dark, _) in {**STYLES, "other": FALLBACK}.items():
        light.append(f".f-{name}{{fill:{on_light}}}.s-{name}{{stroke:{on_light};fill:none}}")
        dark.append(f".f-{name}{{fill:{on_dark}}}.s-{name}{{stroke:{on_dark};fill:none}}")
    return "".join(light) + "@media (prefers-color-scheme:dark){" + "".join(dark) + "}"


def style_name(engine):
    return engine if engine in STYLES else "other"


def number(value):
    """Three digits that mean something: 0.31, 4.2, 38, 1,250."""
    if value == 0:
        return "0"
    if value < 1:
        return f"{value:.2f}"
    if value < 10:
        return f"{value:.1f}"
    return f"{value:,.0f}"


def short(value):
    """For scales: 10 M, 300 k, 2."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:g} {letter}"
    return f"{value:g}"


def duration(us):
    if us < 1000:
        return f"{us:g} µs"
    return f"{us / 1000:g} ms" if us < 1e6 else f"{us / 1e6:g} s"


class Drawing:
    """Elements of one SVG, with a heading; coordinates grow to the right and down."""

    def __init__(self, heading, explanation, height):
        self.height = height
        self.heading = heading
        self.parts = []
        self.text(20, 30, heading, size=15, weight=600)
        lines = wrap(explanation, 125)
        for i, line in enumerate(lines):
            self.text(20, 50 + 16 * i, line, muted=True)
        self.top = 50 + 16 * len(lines)

    def text(self, x, y, content, size=FONT, anchor="start", muted=False, weight=400, middle=False, after=""):
        """`middle` puts the middle of the letters at y; `after` follows in a lighter tone."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y + (size * 0.36 if middle else 0):.1f}" font-size="{size}"'
            + (f' text-anchor="{anchor}"' if anchor != "start" else "")
            + (f' font-weight="{weight}"' if weight != 400 else "")
            + (' class="muted"' if muted else "")
            + f">{escape(content)}"
            + (f'<tspan dx="7" font-weight="400" class="muted">{escape(after)}</tspan>' if after else "")
            + "</text>"
        )

    def line(self, x1, y1, x2, y2, css, width=1.0, dash=None):
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}" '
            f'stroke-width="{width}"' + (f' stroke-dasharray="{dash}"' if dash else "") + "/>"
        )

    def rectangle(self, x, y, width, height, css, opacity=1.0):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" class="{css}"'
            + (f' opacity="{opacity}"' if opacity != 1 else "")
            + "/>"
        )

    def path(self, points, css, width):
        where = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{where}" class="{css}" stroke-width="{width}" stroke-linejoin="round"/>')

    def marker(self, x, y, engine, size=4.0):
        shape = STYLES.get(engine, FALLBACK)[2]
        filled, stroked = f'class="f-{style_name(engine)}"', f'class="s-{style_name(engine)}" stroke-width="2"'
        s = size
        shapes = {
            "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{s}" {filled}/>',
            "ring": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{s - 0.5}" {stroked}/>',
            "square": f'<rect x="{x - s * .9:.1f}" y="{y - s * .9:.1f}" width="{s * 1.8:.1f}" height="{s * 1.8:.1f}" {filled}/>',
            "diamond": f'<path d="M{x:.1f} {y - s * 1.3:.1f}l{s * 1.2} {s * 1.3}l{-s * 1.2} {s * 1.3}l{-s * 1.2} {-s * 1.3}z" {filled}/>',
            "up": f'<path d="M{x:.1f} {y - s * 1.2:.1f}l{s * 1.2} {s * 2.1}h{-s * 2.4}z" {filled}/>',
            "down": f'<path d="M{x:.1f} {y + s * 1.2:.1f}l{s * 1.2} {-s * 2.1}h{-s * 2.4}z" {filled}/>',
            "cross": f'<path d="M{x - s:.1f} {y - s:.1f}l{2 * s} {2 * s}m0 {-2 * s}l{-2 * s} {2 * s}" {stroked}/>',
            "plus": f'<path d="M{x - s * 1.2:.1f} {y:.1f}h{s * 2.4}m{-s * 1.2} {-s * 1.2}v{s * 2.4}" {stroked}/>',
            "bar": f'<path d="M{x - s:.1f} {y:.1f}h{2 * s}" class="s-{style_name(engine)}" stroke-width="3.5"/>',
        }
        self.parts.append(shapes[shape])

    def legend(self, engines, x, y, lines):
        """Markers with names in a row; gives back where the next one would stand."""
        for engine in engines:
            if lines:
                self.line(x, y, x + 22, y, f"s-{style_name(engine)}", 2)
            self.marker(x + 11, y, engine)
            self.text(x + 27, y, engine, middle=True)
            x += 27 + 7.0 * len(engine) + 20
        return x

    def svg(self):
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height:.0f}" width="{WIDTH}" '
            f'height="{self.height:.0f}" role="img" aria-label="{escape(self.heading, {chr(34): "&quot;"})}">'
            f"<title>{escape(self.heading)}</title><style>{style_sheet()}</style>"
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{self.height - 1:.0f}" rx="8" class="ground"/>'
            + "\n".join(self.parts)
            + "</svg>\n"
        )


def wrap(sentence, width):
    lines, line = [], ""
    for word in sentence.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return lines + [line] if line else lines


def ratio_bars(heading, explanation, subject, baseline, columns):
    """Bars that start at 1, on a scale of powers of two.

    columns: [(name, (median, low, high) of the subject or None, floor or None, {engine: ratio of another engine})].
    """
    drawing = Drawing(heading, explanation, 480)
    others = [engine for engine in STYLES if any(engine in rest for _, _, _, rest in columns)]
    after = drawing.legend(others, 20, drawing.top + 14, lines=False) if others else 20
    if any(floor for _, _, floor, _ in columns):
        drawing.line(after, drawing.top + 14, after + 22, drawing.top + 14, "floor", 2)
        drawing.text(after + 28, drawing.top + 14, "floor", middle=True)
        after += 28 + 50
    drawing.line(after, drawing.top + 14, after + 22, drawing.top + 14, "axis", 1.5)
    drawing.text(after + 28, drawing.top + 14, f"1× is {baseline}", middle=True)

    ratios = [
        value
        for _, own, floor, rest in columns
        for value in [*(own or ()), *([floor] if floor else []), *rest.values()]
        if value > 0
    ]
    low = min(-1, math.floor(math.log2(min(ratios, default=1))))
    high = max(1, math.ceil(math.log2(max(ratios, default=1)) + 0.15))
    left, right, top, bottom = 64, WIDTH - 20, drawing.top + 44, drawing.height - 34
    y = lambda ratio: bottom - (math.log2(ratio) - low) / (high - low) * (bottom - top)
    for power in range(low, high + 1):
        drawing.line(left, y(2.0**power), right, y(2.0**power), "axis" if power == 0 else "grid", 1.5 if power == 0 else 1)
        label = f"{2 ** power}×" if power >= 0 else f"1/{2 ** -power}×"
        drawing.text(left - 8, y(2.0**power), label, anchor="end", muted=power != 0, middle=True)

    step = (right - left) / max(len(columns), 1)
    bar = min(26, step * 0.34)
    strip = min(7.5, (step - bar - 10) / max(len(others), 1))
    for i, (name, own, floor, rest) in enumerate(columns):
        used = bar + (6 + strip * len(others) if others else 0)
        x = left + step * i + (step - used) / 2
        if own:
            median, least, most = own
            drawing.rectangle(x, min(y(median), y(1)), bar, abs(y(median) - y(1)), f"f-{style_name(subject)}")
            drawing.line(x + bar / 2, y(least), x + bar / 2, y(most), "whisker", 1.2)
            above = median >= 1
            edge = y(max(most, floor or 0)) - 6 if above else y(least) + 14
            drawing.text(x + bar / 2, edge, f"{number(median)}×", anchor="middle", weight=600)
        if floor:
            drawing.line(x - 3, y(floor), x + bar + 3, y(floor), "floor", 2)
        for j, engine in enumerate(others):
            if rest.get(engine, 0) > 0:
                drawing.marker(x + bar + 6 + strip * (j + 0.5), y(rest[engine]), engine, 3.3)
        drawing.text(left + step * (i + 0.5), bottom + 20, name, anchor="middle", weight=600)
    return drawing.svg()


def bar_panels(heading, explanation, engines, panels, emphasised):
    """A panel of horizontal bars for each ((name, meaning), {engine: (median, low, high)}); engines in the order given.

    A bar longer than six times the longest emphasised one is cut, with its number beside it.
    """
    columns, gap, names = 4, 18, 130
    row = 16
    panel_height = row * len(engines) + 40
    rows = math.ceil(len(panels) / columns)
    drawing = Drawing(heading, explanation, 0)
    drawing.height = drawing.top + 12 + rows * panel_height + 8
    width = (WIDTH - 20 - names - gap * (columns - 1)) / columns
    for i, ((name, meaning), values) in enumerate(panels):
        left = names + (i % columns) * (width + gap)
        top = drawing.top + 34 + (i // columns) * panel_height
        drawing.text(left, top - 6, name, weight=600, after=meaning)
        known = [values[engine][2] for engine in emphasised if engine in values]
        longest = max((value[2] for value in values.values()), default=0)
        end = min(longest, 6 * max(known, default=longest) or longest) or 1
        room = width - 44
        drawing.line(left, top, left, top + row * len(engines), "axis")
        for j, engine in enumerate(engines):
            middle = top + row * (j + 0.5)
            if i % columns == 0:
                drawing.text(left - 8, middle, engine, anchor="end", middle=True, weight=600 if engine in emphasised else 400)
            if engine not in values:
                drawing.text(left + 6, middle, "–", muted=True, middle=True, size=SMALL)
                continue
            median, low, high = values[engine]
            length = min(median, end) / end * room
            drawing.rectangle(
                left, middle - 5.5, max(length, 0.8), 11, f"f-{style_name(engine)}", 1.0 if engine in emphasised else 0.55
            )
            if high > end:
                for shift in (10, 15):
                    drawing.parts.append(
                        f'<path d="M{left + length - shift:.1f} {middle + 7:.1f}l4 -14" class="cut" stroke-width="2"/>'
                    )
            elif high > low:
                drawing.line(left + low / end * room, middle, left + high / end * room, middle, "whisker", 1.2)
            reach = length if high > end else high / end * room
            drawing.text(left + reach + 5, middle, number(median), size=SMALL, middle=True)
    return drawing.svg()


def curve_panels(
    heading, explanation, engines, panels, ticks, y_label, emphasised, logarithmic=True, columns=4, tick_heading=""
):
    """A panel for each ((name, meaning), {engine: [y at each tick or None]}); the same ticks below each.

    Each panel has a scale of its own; those that are not logarithmic begin at zero.
    """
    gap, rows = 52, math.ceil(len(panels) / columns)
    plot_height = 140
    panel_height = plot_height + 66
    drawing = Drawing(heading, explanation, 0)
    shown = [engine for engine in engines if any(engine in values for _, values in panels)]
    drawing.legend(shown, 20, drawing.top + 14, lines=True)
    first = drawing.top + 56
    drawing.height = first + rows * panel_height - 14
    width = (WIDTH - 74 - 20 - gap * (columns - 1)) / columns
    for i, ((name, meaning), values) in enumerate(panels):
        left = 74 + (i % columns) * (width + gap)
        top = first + (i // columns) * panel_height
        bottom = top + plot_height
        drawing.text(left, top - 10, name, weight=600, after=meaning)
        numbers = [y for series in values.values() for y in series if y]
        if not numbers:
            drawing.text(left, top + 20, "not measured", muted=True)
            continue
        y, marks = (log_scale if logarithmic else linear_scale)(numbers, top, bottom)
        for mark in marks:
            drawing.line(left, y(mark), left + width, y(mark), "grid")
            drawing.text(left - 6, y(mark), y_label(mark), size=SMALL, anchor="end", muted=True, middle=True)
        x = lambda k: left + width * (k + 0.5) / len(ticks)
        for k, tick in enumerate(ticks):
            drawing.text(x(k), bottom + 16, tick, size=SMALL, anchor="middle", muted=True)
        if tick_heading:
            drawing.text(left + width / 2, bottom + 31, tick_heading, size=SMALL, anchor="middle", muted=True)
        # Emphasised ones last, on top of the others.
        for engine in sorted((e for e in shown if e in values), key=lambda e: (e in emphasised, e == emphasised[0])):
            points = [(x(k), y(value)) for k, value in enumerate(values[engine]) if value]
            strong = engine in emphasised
            drawing.path(points, f"s-{style_name(engine)}", 2.4 if strong else 1.3)
            for at in points:
                drawing.marker(*at, engine, 3.6 if strong else 2.8)
    return drawing.svg()


def log_scale(numbers, top, bottom):
    # Room around, and at least half a decade, so that a nearly constant figure looks like one.
    low, high = math.log10(min(numbers) / 1.25), math.log10(max(numbers) * 1.25)
    short_of = max(0, 0.5 - (high - low)) / 2
    low, high = low - short_of, high + short_of
    decades = range(math.floor(low), math.ceil(high) + 1)
    inside = lambda factors: [f * 10.0**d for d in decades for f in factors if low <= math.log10(f * 10.0**d) <= high]
    finest = (1, 1.5, 2, 3, 5, 7)
    marks = next((m for m in map(inside, ((1,), (1, 3), (1, 2, 5))) if len(m) >= 3), inside(finest))
    return lambda value: bottom - (math.log10(value) - low) / (high - low) * (bottom - top), marks


def linear_scale(numbers, top, bottom):
    step = 10.0 ** math.floor(math.log10(max(numbers)))
    step = next(step * factor for factor in (0.25, 0.5, 1, 2.5) if max(numbers) / (step * factor) <= 5)
    count = math.ceil(max(numbers) / step)
    y = lambda value: bottom - value / (count * step) * (bottom - top)
    return y, [step * k for k in range(count + 1)]
