#!/usr/bin/env python3
"""Writes generator.json: examples of everything that bench/README.md defines under "Keys, values, chance".

The drivers, in whatever language, test their generators against that file; this one is written from the definition
alone and shares no code with them. Run it after a change of the definition:

    python3 bench/testdata/generator.py > bench/testdata/generator.json

Numbers of 64 bits are strings of hexadecimal digits, since JSON readers round large numbers.
"""

import json

WORD = (1 << 64) - 1
THETA = 0.99


def mix(x):
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & WORD
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & WORD
    return x ^ (x >> 31)


class Random:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & WORD
        return mix(self.state)

    def uniform(self, n):
        return self.next() * n >> 64

    def unit(self):
        return (self.next() >> 11) * 2.0**-53


def thread_seed(seed, workload, run, thread):
    h = seed
    for c in workload.encode():
        h = mix(h ^ c)
    return mix(h ^ (run << 32) ^ thread)


def key(record):
    return "user%016x" % mix(record)


def make_pattern():
    random = Random(42)
    return bytes(33 + (random.next() >> 32) % 94 for _ in range(131072 + 65536))


PATTERN = make_pattern()


def value(record, version, size):
    at = mix((record * 0x9E3779B97F4A7C15 & WORD) ^ version) % 131072
    head = record.to_bytes(8, "little") + version.to_bytes(8, "little")
    return head + PATTERN[at : at + size - 16]


def fnv1a(data):
    """FNV-1a of 64 bits: short to write in any language."""
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & WORD
    return h


class Zipfian:
    def __init__(self, n):
        self.n = n
        self.zeta = sum(1 / i**THETA for i in range(1, n + 1))
        self.alpha = 1 / (1 - THETA)
        zeta_2 = 1 + 1 / 2**THETA
        self.eta = (1 - (2 / n) ** (1 - THETA)) / (1 - zeta_2 / self.zeta)

    def rank(self, random):
        u = random.unit()
        uz = u * self.zeta
        if uz < 1:
            return 0
        if uz < 1 + 0.5**THETA:
            return 1
        return min(int(self.n * (self.eta * u - self.eta + 1) ** self.alpha), self.n - 1)

    def record(self, random):
        return mix(self.rank(random) + 0x9E3779B97F4A7C15 & WORD) * self.n >> 64


def first(count, make):
    return [make() for _ in range(count)]


def operations(zipfian, workload, kinds, percent, scans, run, thread, count):
    """The first operations of a thread as [kind, record, entries of the scan]; an insert draws no record."""
    random = Random(thread_seed(1, workload, run, thread))
    drawn = []
    for _ in range(count):
        kind = kinds[0] if len(kinds) == 1 or random.uniform(100) < percent else kinds[1]
        record = 0 if kind == "insert" else zipfian.record(random)
        entries = 1 + random.uniform(100) if scans and kind == "scan" else 0
        drawn.append([kind, record, entries])
    return {"workload": workload, "n": zipfian.n, "seed": 1, "run": run, "thread": thread, "first": drawn}


def main():
    word = "{:#018x}".format
    million = Zipfian(1_000_000)
    chance = Random(42)
    values = [(0, 1, 16), (0, 1, 256), (1, 1, 256), (1, 2, 256), (12345, 7, 1000), (999_999, 3, 65536)]
    seeds = [(1, "load", 1, 0), (1, "A", 1, 0), (1, "A", 1, 1), (1, "A", 2, 0), (1, "A+", 1, 0), (2, "A", 1, 0)]
    print(json.dumps({
        "mix": [{"x": word(x), "mix": word(mix(x))} for x in (0, 1, 2, 42, 1 << 40, WORD)],
        "random": {
            "seed": 42,
            "next": [word(n) for n in first(8, chance.next)],
            "then_uniform_100": first(16, lambda: chance.uniform(100)),
            "then_uniform_1000000": first(8, lambda: chance.uniform(1_000_000)),
            "then_unit": first(8, chance.unit),
        },
        "thread_seeds": [
            {"seed": s, "workload": w, "run": r, "thread": t, "value": word(thread_seed(s, w, r, t))}
            for s, w, r, t in seeds
        ],
        "keys": [key(i) for i in range(10)],
        "pattern": {"first_64": PATTERN[:64].decode(), "fnv1a": word(fnv1a(PATTERN))},
        "values": [
            {"record": i, "version": v, "bytes": b, "fnv1a": word(fnv1a(value(i, v, b)))} for i, v, b in values
        ],
        "zipfian": {
            "n": million.n,
            "seed": 7,
            "zeta": million.zeta,
            "eta": million.eta,
            "ranks": (lambda r: first(20, lambda: million.rank(r)))(Random(7)),
            "records": (lambda r: first(20, lambda: million.record(r)))(Random(7)),
        },
        "operations": [
            operations(million, "A", ["read", "update"], 50, False, 1, 0, 10),
            operations(million, "C", ["read"], 100, False, 1, 1, 10),
            operations(million, "E+", ["scan", "insert"], 95, True, 2, 1, 30),
        ],
    }, indent=1))


if __name__ == "__main__":
    main()
