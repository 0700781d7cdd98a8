#!/usr/bin/env python3
"""kill -9 against the real server under load: nothing acknowledged may be lost.

Usage: kill_rounds.py NOKV [--rounds N] [--sync always|no|everysec|mixed] [--seed S]

Each round starts `nokv redis` on a free port, lets several connections SET, MSET and INCR numbered values
for a few dozen milliseconds, kills the server with SIGKILL, starts it again and compares: for every key the
value is the last one acknowledged or one sent after it, the keys of one MSET agree, and a counter is at least
what was acknowledged. The machine does not die here, so the promise is the same for every --sync: a write
that was acknowledged survives the death of the process.
"""
import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

CLIENTS = 4
KEYS = 40


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def encode(*words):
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(out)


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")

    def call(self, *words):
        self.socket.sendall(encode(*words))
        return self.read()

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server is gone")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if rest == b"-1":
                return None
            data = self.file.read(int(rest) + 2)
            if len(data) != int(rest) + 2:
                raise ConnectionError("the server is gone")
            return data[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        raise RuntimeError("unknown reply %r" % line)

    def close(self):
        self.socket.close()


class Server:
    def __init__(self, nokv, directory, sync):
        self.port = free_port()
        self.process = subprocess.Popen(
            [nokv, "redis", "--dir", directory, "--listen", "127.0.0.1:%d" % self.port, "--sync", sync],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while True:
            try:
                Connection(self.port).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit("the server did not start: " + self.process.stderr.read().decode())
                if time.monotonic() > deadline:
                    raise SystemExit("the server did not listen within 30 s")
                time.sleep(0.002)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stderr.close()


class Writer(threading.Thread):
    """One connection; remembers per key what was sent last and what was acknowledged last."""

    def __init__(self, index, port, state, seed):
        super().__init__()
        self.index, self.port, self.state, self.random = index, port, state, random.Random(seed)
        self.error = None
        self.acknowledged = 0

    def run(self):
        try:
            connection = Connection(self.port)
            while True:
                self.step(connection)
        except (ConnectionError, OSError):
            pass
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def step(self, connection):
        state, number = self.state, self.state["number"] + 1
        state["number"] = number
        dice = self.random.random()
        if dice < 0.5:
            key = "c%d:k%d" % (self.index, self.random.randrange(KEYS))
            state["sent"][key] = number
            connection.call("SET", key, "%d:%s" % (number, "x" * self.random.randrange(300)))
            state["acked"][key] = number
        elif dice < 0.85:
            state["mset_sent"] = number
            words = ["MSET"]
            for i in range(5):
                words += ["c%d:m%d" % (self.index, i), "%d:%s" % (number, "y" * self.random.randrange(200))]
            connection.call(*words)
            state["mset_acked"] = number
        else:
            state["incr_sent"] += 1
            state["incr_acked"] = connection.call("INCR", "c%d:counter" % self.index)
        self.acknowledged += 1


def check(port, states):
    connection = Connection(port)
    for index, state in enumerate(states):
        for key, sent in state["sent"].items():
            value = connection.call("GET", key)
            found = int(value.split(b":")[0]) if value is not None else 0
            acked = state["acked"].get(key, 0)
            assert acked <= found <= sent, "%s holds %d, acknowledged %d, sent %d" % (key, found, acked, sent)
            state["acked"][key] = found
        values = connection.call("MGET", *["c%d:m%d" % (index, i) for i in range(5)])
        numbers = {int(value.split(b":")[0]) if value is not None else 0 for value in values}
        assert len(numbers) == 1, "client %d: an MSET is half there: %s" % (index, numbers)
        found = numbers.pop()
        assert state["mset_acked"] <= found <= state["mset_sent"], "client %d: MSET %d, acknowledged %d" % (
            index, found, state["mset_acked"])
        state["mset_acked"] = state["mset_sent"] = found
        counter = int(connection.call("GET", "c%d:counter" % index) or 0)
        assert state["incr_acked"] <= counter <= state["incr_sent"], "client %d: counter %d, acknowledged %d" % (
            index, counter, state["incr_acked"])
        state["incr_sent"] = state["incr_acked"] = counter
    connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nokv")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--sync", default="mixed", choices=["always", "no", "everysec", "mixed"])
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "little"))
    options = parser.parse_args()
    print("seed %d" % options.seed, flush=True)
    rng = random.Random(options.seed)
    acknowledged = 0
    directory = tempfile.mkdtemp(prefix="nokv-kill-")
    try:
        states = [{"number": 0, "sent": {}, "acked": {}, "mset_sent": 0, "mset_acked": 0, "incr_sent": 0,
                   "incr_acked": 0} for _ in range(CLIENTS)]
        for number in range(options.rounds):
            sync = rng.choice(["always", "no"]) if options.sync == "mixed" else options.sync
            server = Server(options.nokv, directory, sync)
            try:
                check(server.port, states)
                writers = [Writer(i, server.port, states[i], rng.random()) for i in range(CLIENTS)]
                for writer in writers:
                    writer.start()
                time.sleep(rng.uniform(0.005, 0.06))
            finally:
                server.kill()
            for writer in writers:
                writer.join()
                if writer.error:
                    raise writer.error
                acknowledged += writer.acknowledged
        server = Server(options.nokv, directory, "no")
        check(server.port, states)
        server.process.send_signal(signal.SIGTERM)
        if server.process.wait(timeout=30) != 0:
            raise SystemExit("the server ended with %d after SIGTERM" % server.process.returncode)
        server.process.stderr.close()
    except AssertionError as error:
        print("LOST: %s (round %d, seed %d)" % (error, number, options.seed))
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("%d rounds of kill -9, %d acknowledged writes, none lost" % (options.rounds, acknowledged))
    # A run in which nothing happened shows nothing.
    return 0 if acknowledged >= options.rounds else 1


if __name__ == "__main__":
    sys.exit(main())
