#!/usr/bin/env python3
"""Kills the server with SIGKILL under MSET load, again and again, and looks at what is there afterwards.

  kill_rounds.py --nokv build/release/nokv [--rounds 300] [--sync always|everysec|no|all]

Each of several clients owns a group of keys and sets all of them to the same number with one MSET, one
number after the other. After a kill and a start: the group holds one number throughout (no MSET is half
there), and it is the last one acknowledged or the one that was on its way (nothing acknowledged is lost,
at any --sync: the process died, not the machine).
"""

import argparse
import random
import sys
import threading
import time

import resp

CLIENTS = 4
GROUP = 20


def keys_of(client):
    return ["c%d:%d" % (client, i) for i in range(GROUP)]


class Writer(threading.Thread):
    def __init__(self, port, client, start):
        super().__init__()
        self.port, self.client = port, client
        self.acknowledged = self.sent = start
        self.pad = "x" * random.choice([1, 10, 300])

    def run(self):
        try:
            connection = resp.Connection(self.port, timeout=30)
            while True:
                number = self.sent + 1
                self.sent = number
                words = [w for key in keys_of(self.client) for w in (key, "%d:%s" % (number, self.pad))]
                if connection("MSET", *words) != "OK":
                    return
                self.acknowledged = number
        except (OSError, resp.Closed, ValueError):
            pass


def check(port, writers):
    problems = []
    connection = resp.Connection(port)
    for writer in writers:
        values = connection("MGET", *keys_of(writer.client))
        numbers = {0 if value is None else int(value.split(b":")[0]) for value in values}
        if len(numbers) != 1:
            problems.append("client %d: half an MSET: %s" % (writer.client, sorted(numbers)))
            continue
        number = numbers.pop()
        if not writer.acknowledged <= number <= writer.sent:
            problems.append("client %d: has %d, acknowledged %d, sent %d" % (
                writer.client, number, writer.acknowledged, writer.sent))
        writer.found = number
    connection.close()
    return problems


def run(nokv_binary, sync, rounds):
    server = resp.start_nokv(nokv_binary, sync=sync)
    found = [0] * CLIENTS
    total = 0
    problems = []
    try:
        for _ in range(rounds):
            writers = [Writer(server.port, client, found[client]) for client in range(CLIENTS)]
            for writer in writers:
                writer.start()
            time.sleep(random.uniform(0.05, 0.4))
            server.kill()
            for writer in writers:
                writer.join()
            total += sum(writer.acknowledged - found[writer.client] for writer in writers)
            server.start()
            problems += check(server.port, writers)
            if problems:
                break
            found = [writer.found for writer in writers]
    finally:
        status = server.stop()
        if not problems:
            server.remove()
    print("sync %s: %d rounds, %d acknowledged MSETs, %d problems" % (sync, rounds, total, len(problems)))
    for problem in problems:
        print("  " + problem)
    return not problems and status == 0 and total > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nokv", required=True)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--sync", default="all")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print("seed", options.seed, flush=True)
    random.seed(options.seed)
    modes = ["always", "everysec", "no"] if options.sync == "all" else [options.sync]
    return 0 if all([run(options.nokv, mode, options.rounds) for mode in modes]) else 1


if __name__ == "__main__":
    sys.exit(main())
