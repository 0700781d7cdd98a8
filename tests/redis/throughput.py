#!/usr/bin/env python3
"""Throughput of nokv beside redis-server with redis-benchmark, in one run, as a table.

  throughput.py --nokv build/release/nokv [--rounds 3] [--requests 100000] [--clients 50]

Like for like: redis-server without a log beside --sync no, appendonly everysec beside everysec,
appendonly always beside always. The two take turns within each round; the table shows medians.
"""

import argparse
import csv
import io
import statistics
import subprocess
import sys

import resp

SETTINGS = [("no", ["--appendonly", "no"]),
            ("everysec", ["--appendonly", "yes", "--appendfsync", "everysec"]),
            ("always", ["--appendonly", "yes", "--appendfsync", "always"])]
TESTS = "set,get,incr,mset"


def measure(port, clients, pipeline, requests):
    output = subprocess.run(
        ["redis-benchmark", "-p", str(port), "-t", TESTS, "-n", str(requests), "-c", str(clients),
         "-P", str(pipeline), "-r", "100000", "--csv"], capture_output=True, text=True, check=True).stdout
    return {row["test"].split(" ")[0]: float(row["rps"]) for row in csv.DictReader(io.StringIO(output))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nokv", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=50)
    options = parser.parse_args()
    print("| sync | pipeline | command | redis-server | nokv | ratio |\n|---|---|---|---|---|---|")
    worst = 10.0
    for sync, flags in SETTINGS:
        redis, nokv = resp.start_redis(*flags), resp.start_nokv(options.nokv, sync=sync)
        if redis is None:
            print("redis-server is not installed")
            return 1
        for pipeline in (1, 16):
            requests = options.requests * (1 if sync == "always" else 1 if pipeline == 1 else 5)
            samples = {"redis": [], "nokv": []}
            for _ in range(options.rounds):
                samples["redis"].append(measure(redis.port, options.clients, pipeline, requests))
                samples["nokv"].append(measure(nokv.port, options.clients, pipeline, requests))
            for test in samples["redis"][0]:
                theirs = statistics.median(sample[test] for sample in samples["redis"])
                ours = statistics.median(sample[test] for sample in samples["nokv"])
                worst = min(worst, ours / theirs)
                print("| %s | %d | %s | %s | %s | %.2f |" % (
                    sync, pipeline, test, format(int(theirs), ","), format(int(ours), ","), ours / theirs),
                    flush=True)
        for server in (redis, nokv):
            server.stop()
            server.remove()
    print("\nlowest ratio %.2f" % worst)
    return 0


if __name__ == "__main__":
    sys.exit(main())
