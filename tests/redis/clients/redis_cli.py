#!/usr/bin/env python3
"""redis-cli and redis-benchmark as people use them: at a terminal, with --pipe, with and without pipelines.

  redis_cli.py PORT PASSWORD [--records 1000000]

Expects a fresh server started with --requirepass PASSWORD, and ends it with SHUTDOWN. Ends with a line
"redis-cli: N passed, N failed". run.sh runs it.
"""

import argparse
import csv
import fcntl
import io
import os
import pty
import random
import re
import select
import struct
import subprocess
import tempfile
import termios
import time


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def true(self, what, holds, detail=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print("FAILED redis-cli: %s: %s" % (what, detail), flush=True)

    def equal(self, what, got, wanted):
        self.true(what, got == wanted, "%r, not %r" % (got, wanted))


class Terminal:
    """redis-cli with a terminal of its own."""

    PROMPT = re.compile(rb"(127\.0\.0\.1:\d+|not connected)> ?$")
    ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\r|\x07")

    def __init__(self, command, environment):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            # Without a size, redis-cli asks the terminal for one and waits.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            os.environ.update(environment, TERM="xterm")
            os.execvp(command[0], command)
        self.greeting = self.read()

    def read(self):
        """Everything up to the prompt."""
        text = b""
        deadline = time.time() + 30
        while time.time() < deadline:
            if select.select([self.terminal], [], [], 0.2)[0]:
                try:
                    piece = os.read(self.terminal, 1 << 16)
                except OSError:
                    break
                if not piece:
                    break
                text += piece
            elif self.PROMPT.search(self.ESCAPES.sub(b"", text)):
                break
        return self.ESCAPES.sub(b"", text).decode(errors="replace")

    def say(self, line):
        """The answer to a line: what is shown between its last echo and the next prompt."""
        os.write(self.terminal, line.encode() + b"\r")
        lines = self.read().split("\n")
        return "\n".join(lines[1:-1])

    def close(self):
        os.close(self.terminal)
        return os.waitpid(self.process, 0)[1]


def interactive(check, port, password, resp3):
    terminal = Terminal(["redis-cli", "-p", str(port)] + (["-3"] if resp3 else []), {"REDISCLI_AUTH": password})
    check.true("the prompt", "127.0.0.1:%d>" % port in terminal.greeting, repr(terminal.greeting))
    for line, wanted in (
            ('set greeting "hello\\x00 world"', "OK"),
            ("get greeting", '"hello\\x00 world"'),
            ("get nothing", "(nil)"),
            ("incr number", "(integer) 1"),
            ("mget greeting nothing number", '1) "hello\\x00 world"\n2) (nil)\n3) "1"'),
            ("incr greeting", "(error) ERR value is not an integer or out of range"),
            ("nosuch a b", "(error) ERR unknown command 'nosuch', with args beginning with: 'a' 'b' "),
            ("del greeting number", "(integer) 2"),
            ("set a 1 px", "(error) ERR syntax error"),
            ('get "unbalanced', "Invalid argument(s)"),
            ("config get maxmemory-policy", '1# "maxmemory-policy" => "noeviction"' if resp3 else
             '1) "maxmemory-policy"\n2) "noeviction"'),
            ("client setname me", "OK"),
            ("client getname", '"me"'),
            ("3 ping", "PONG\nPONG\nPONG")):
        check.equal(line, terminal.say(line), wanted)
    info = terminal.say("info server")
    check.true("info", "redis_version:7.0.15" in info, info)
    # Help comes from the server's COMMAND DOCS.
    help_text = terminal.say("help getrange")
    check.true("help getrange", "GETRANGE key start end" in help_text and "group: string" in help_text, help_text)
    # Completion of a half-typed name by the tabulator key.
    os.write(terminal.terminal, b"getra\t greeting 0 1\r")
    check.true("completion", "GETRANGE" in terminal.read().upper())
    os.write(terminal.terminal, b"quit\r")
    terminal.read()
    check.equal("quit", terminal.close(), 0)


def cli(port, password, *words, stdin=None):
    return subprocess.run(["redis-cli", "-p", str(port), *words], stdin=stdin, capture_output=True, text=True,
                          env=dict(os.environ, REDISCLI_AUTH=password), timeout=600)


def pipe(check, port, password, records):
    """Mass insertion: a million SETs through --pipe."""
    with tempfile.TemporaryFile() as stream:
        for i in range(records):
            key, value = b"record:%d" % i, b"value %d" % (i * i)
            stream.write(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(key), key, len(value), value))
        stream.seek(0)
        start = time.time()
        done = cli(port, password, "--pipe", stdin=stream)
        seconds = time.time() - start
    check.true("--pipe", "errors: 0, replies: %d" % records in done.stdout, done.stdout + done.stderr)
    rate = re.search(r"instantaneous_ops_per_sec:(\d+)", cli(port, password, "info", "stats").stdout)
    check.true("the rate in INFO", rate is not None and int(rate[1]) > 1000, rate)
    check.equal("DBSIZE after --pipe", cli(port, password, "dbsize").stdout, "%d\n" % records)
    samples = [0, records - 1] + [random.randrange(records) for _ in range(10_000)]
    with tempfile.TemporaryFile() as lines:
        lines.write(b"".join(b"get record:%d\n" % i for i in samples))
        lines.seek(0)
        check.equal("samples", cli(port, password, stdin=lines).stdout, "".join("value %d\n" % (i * i) for i in samples))
    print("redis-cli: --pipe of %d records took %.1f s" % (records, seconds))


def scripted(check, port, password):
    """Not at a terminal: lines from standard input, --scan, --csv, --stat and --latency."""
    with tempfile.TemporaryFile() as lines:
        lines.write(b"set x 1\nincr x\nget x\n")
        lines.seek(0)
        check.equal("lines from a file", cli(port, password, stdin=lines).stdout, "OK\n2\n2\n")
    cli(port, password, "mset", *[word for i in range(50) for word in ("scan:%d" % i, "v")])
    scanned = cli(port, password, "--scan", "--pattern", "scan:*").stdout.split()
    check.equal("--scan", sorted(scanned), sorted("scan:%d" % i for i in range(50)))
    check.equal("--csv", cli(port, password, "--csv", "mget", "x", "none").stdout, '"2",NULL\n')
    check.equal("-e of an error", cli(port, password, "-e", "get").returncode, 1)
    check.true("--bigkeys", "Biggest string found" in cli(port, password, "--bigkeys").stdout)


def benchmark(check, port, password):
    for pipeline in ("1", "16"):
        done = subprocess.run(
            ["redis-benchmark", "-p", str(port), "-a", password, "-n", "50000", "-c", "50", "-P", pipeline, "-r",
             "10000", "-t", "ping,set,get,incr,mset", "--csv"], capture_output=True, text=True, timeout=600)
        check.equal("redis-benchmark -P %s" % pipeline, (done.returncode, done.stderr), (0, ""))
        rates = {row["test"]: float(row["rps"]) for row in csv.DictReader(io.StringIO(done.stdout))}
        check.true("redis-benchmark's tests", len(rates) == 6 and min(rates.values()) > 0, done.stdout)
        check.true("no error in it", "error" not in (done.stdout + done.stderr).lower(), done.stdout + done.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("port", type=int)
    parser.add_argument("password")
    parser.add_argument("--records", type=int, default=1_000_000)
    options = parser.parse_args()
    check = Checks()
    interactive(check, options.port, options.password, resp3=False)
    interactive(check, options.port, options.password, resp3=True)
    scripted(check, options.port, options.password)
    benchmark(check, options.port, options.password)
    cli(options.port, options.password, "flushall")
    pipe(check, options.port, options.password, options.records)
    check.equal("SHUTDOWN", cli(options.port, options.password, "shutdown").returncode, 0)
    print("redis-cli: %d passed, %d failed" % (check.passed, check.failed))
    return 1 if check.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
