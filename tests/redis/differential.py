#!/usr/bin/env python3
"""Sends the same random commands to nokv and to redis-server 7.0 and compares every reply.

  differential.py --nokv build/release/nokv [--commands 1000000] [--seed N]

Commands come in pipelines over RESP2 and RESP3, with extremes of every argument. Replies without an
order are compared as sets, replies that tell the time with a tolerance. Streams of broken protocol are
compared byte for byte. Says so and succeeds when redis-server is not installed.
"""

import argparse
import random
import socket
import sys
import time

import resp

KEYS = ["k%d" % i for i in range(40)] + ["", "a b", "nl\r\n", "\x00", "\x00\x01", "ключ", "k" * 300]
INTEGERS = ["0", "1", "-1", "2", "5", "10", "100", "-100", "9223372036854775807", "-9223372036854775808",
            "9223372036854775808", "-9223372036854775809", "2147483647", "2147483648", "-2147483648",
            "4294967296", "18446744073709551615", "18446744073709551616", "99999999999999999999", "01",
            "-0", "+1", " 1", "1 ", "1.5", "", "abc", "nan", "inf", "0x10", "1e3", "9223372036854775",
            "9223372036854776", "-9223372036854775"]
FLOATS = INTEGERS + ["0.1", "-0.1", "1.1", "3.0", "1e300", "-1e300", "1e-300", "5.0e3", "1e4931", "1e4933",
                     "-inf", "+inf", "infinity", "NaN", ".5", "5.", "0x1p4", "1e", "--1", "1_0",
                     "0.00000000000000001", "123456789.123456789", "99999999999999999999999999.9"]
VALUES = ["", "0", "1", "-5", "10", "hello", "3.14", "x" * 100, "y" * 3000, "9223372036854775807",
          "\x00\xff\r\n", " 11", "1e5", "-9223372036854775808"]
WORDS = ["nx", "xx", "gt", "lt", "NX", "XX", "get", "GET", "ex", "px", "EXAT", "pxat", "keepttl",
         "PERSIST", "foo", "", "replace", "db", "match", "count", "type"]
PATTERNS = ["*", "k*", "k?", "k[12]*", "k[^1]", "?", "**", "", "[", "[^", "k\\*", "*[0-9]", "[9-0]", "a b",
            "k1[0-5", "*1*2*", "\\", "[\\]]", "*\r\n"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.now = int(time.time())
        self.relative = 0

    def key(self):
        return self.random.choice(KEYS)

    def keys(self):
        return [self.key() for _ in range(self.random.choice([1, 1, 2, 3, 6]))]

    def value(self):
        return self.random.choice(VALUES)

    def integer(self):
        return self.random.choice(INTEGERS) if self.random.random() < 0.4 else str(
            self.random.randint(-50, 1000))

    def small(self):
        return str(self.random.choice([0, 1, 2, 3, 5, 10, 50, 1000, -1, -2, -3, -5, -100, 70000]))

    def decimal(self):
        return self.random.choice(FLOATS)

    # Expiries are far away or in the past: none falls due between the two servers' turns. Relative ones of
    # the future differ from each other and from the absolute ones by seconds, whenever they are sent: else
    # GT and LT would compare what millisecond each server was in. So `compared` (by GT or LT) leaves out
    # the large ones that come twice.
    def expiry(self, relative, millis, compared=False):
        r = self.random.random()
        if r < 0.25:
            left_out = ["1", "2", "5", "10", "100"]
            if relative and compared:
                left_out += ["2147483647", "2147483648", "4294967296", "9223372036854775"]
            return self.random.choice([i for i in INTEGERS if i not in left_out])
        if relative:
            self.relative += 1
            ahead = self.random.choice([10**6, 3 * 10**6, 2 * 10**7]) + self.relative
            return str(self.random.choice([-10, -1, 0, ahead, ahead, ahead]) * (1000 if millis else 1))
        offset = self.random.choice([-100000, -100, 500, 86400, 10**7])
        return str((self.now + offset) * (1000 if millis else 1))

    def expiry_option(self):
        word = self.random.choice(["EX", "PX", "EXAT", "PXAT", "ex", "Px"])
        upper = word.upper()
        return [word, self.expiry("AT" not in upper, upper.startswith("P"))]

    def options(self, plain, most=2):
        out = []
        for _ in range(self.random.choice([0, 1, 1, 2, most])):
            out += self.expiry_option() if self.random.random() < 0.5 else [self.random.choice(plain)]
        return out

    def command(self):
        r = self.random
        pick = r.random()
        if pick < 0.03:
            return self.wrong()
        rows = [
            lambda: ["SET", self.key(), self.value()],
            lambda: ["SET", self.key(), self.value()] + self.options(
                ["NX", "XX", "GET", "KEEPTTL", "nx", "get"] + ([r.choice(WORDS)] if r.random() < .2 else [])),
            lambda: ["SETNX", self.key(), self.value()],
            lambda: ["SETEX", self.key(), self.expiry(True, False), self.value()],
            lambda: ["PSETEX", self.key(), self.expiry(True, True), self.value()],
            lambda: ["GET", self.key()],
            lambda: ["GETSET", self.key(), self.value()],
            lambda: ["GETDEL", self.key()],
            lambda: ["GETEX", self.key()] + self.options(["PERSIST", "persist"], 1),
            lambda: ["MGET"] + self.keys(),
            lambda: ["MSET"] + [w for k in self.keys() for w in (k, self.value())],
            lambda: ["MSETNX"] + [w for k in self.keys() for w in (k, self.value())],
            lambda: ["DEL"] + self.keys(),
            lambda: ["UNLINK"] + self.keys(),
            lambda: ["EXISTS"] + self.keys(),
            lambda: ["TOUCH"] + self.keys(),
            lambda: ["APPEND", self.key(), self.value()],
            lambda: ["STRLEN", self.key()],
            lambda: ["GETRANGE", self.key(), self.integer(), self.integer()],
            lambda: ["SUBSTR", self.key(), self.small(), self.small()],
            lambda: ["SETRANGE", self.key(), r.choice(["0", "1", "5", "100", "-1", "536870912",
                                                       "abc", "", "9223372036854775807"])
                     if r.random() < .5 else str(r.randint(0, 200)), r.choice(["", "x", "hello", "zz"])],
            lambda: ["INCR", self.key()],
            lambda: ["DECR", self.key()],
            lambda: ["INCRBY", self.key(), self.integer()],
            lambda: ["DECRBY", self.key(), self.integer()],
            lambda: ["INCRBYFLOAT", self.key(), self.decimal()],
            lambda: self.expire("EXPIRE", True, False),
            lambda: self.expire("PEXPIRE", True, True),
            lambda: self.expire("EXPIREAT", False, False),
            lambda: self.expire("PEXPIREAT", False, True),
            lambda: ["TTL", self.key()],
            lambda: ["PTTL", self.key()],
            lambda: ["EXPIRETIME", self.key()],
            lambda: ["PEXPIRETIME", self.key()],
            lambda: ["PERSIST", self.key()],
            lambda: ["TYPE", self.key()],
            lambda: ["RENAME", self.key(), self.key()],
            lambda: ["RENAMENX", self.key(), self.key()],
            lambda: ["COPY", self.key(), self.key()] + r.choice(
                [[], [], ["REPLACE"], ["DB", "0"], ["db", self.integer()], ["foo"], ["DB"],
                 ["REPLACE", "DB", "0"], ["replace", "replace"]]),
            lambda: ["MOVE", self.key(), self.integer()],
            lambda: ["KEYS", r.choice(PATTERNS)],
            lambda: r.choice([["PING"], ["PING", self.value()], ["ECHO", self.value()], ["SELECT", self.integer()],
                              ["SELECT", "0"], ["DBSIZE"], ["RANDOMKEY"], ["TIME"], ["LASTSAVE"],
                              ["WAIT", "0", self.integer() if r.random() < .5 else "0"],
                              ["SHUTDOWN", "ABORT"], ["SHUTDOWN", "foo"], ["FUNCTION", "FLUSH"],
                              ["FUNCTION", "FLUSH", r.choice(["sync", "ASYNC", "x"])],
                              ["CLIENT", "GETNAME"], ["CLIENT", "ID", "x"],
                              ["CLIENT", "SETNAME", r.choice(["", "app", "a b", "x\ny", "ü"])],
                              ["CLIENT", "NO-EVICT", r.choice(["on", "OFF", "x"])],
                              ["CLIENT", "KILL", "ADDR", "1.2.3.4:5"], ["CLIENT", "KILL", "1.2.3.4:5"],
                              ["CLIENT", "KILL", "ID", self.integer(), "LADDR", "nowhere"],
                              ["CLIENT", "KILL", "TYPE", r.choice(["pubsub", "master", "x"])],
                              ["CLIENT", "KILL", "USER", "nobody"], ["CLIENT", "KILL", "SKIPME", "x"],
                              ["CLIENT", "LIST", "TYPE", r.choice(["pubsub", "x"])],
                              ["CLIENT", "LIST", "ID", "x"], ["CLIENT", "LIST", "foo"],
                              ["AUTH", "x"], ["AUTH", "default", "x"], ["AUTH", "u", "p"],
                              ["AUTH", "a", "b", "c"], ["HELLO", r.choice(["1", "4", "x", "-1", ""])],
                              ["HELLO", "2", r.choice(["foo", "AUTH", "SETNAME"])],
                              ["COMMAND", "GETKEYS"] + self.command_words(),
                              ["COMMAND", "INFO", r.choice(["get", "SET", "mset", "nosuch", "rename",
                                                            "config|get", "client|id", "expire", "dbsize"])],
                              ["COMMAND", "LIST", r.choice(["foo", "filterby"])],
                              ["CONFIG", "RESETSTAT"], ["CONFIG", "GET", r.choice(["maxmemory", "nosuch", "timeout", "hz",
                                                          "slowlog-max-len", "list-max-*-size",
                                                          "MAXMEMORY-policy", "proto-max-bulk-len"])],
                              self.config_set()]),
            lambda: ["SCANALL"] + r.choice([[], ["MATCH", r.choice(PATTERNS)], ["COUNT", "3"],
                                            ["TYPE", r.choice(["string", "STRING", "hash", "x"])]]),
            lambda: ["SCAN", r.choice(["abc", " 1", "18446744073709551616", "1x"])],
            lambda: ["SCAN", "0"] + r.choice([["COUNT", r.choice(["0", "-1", "abc", "", "1.5"])],
                                              ["foo"], ["MATCH"], ["TYPE"], ["COUNT"], ["foo", "bar"]]),
        ]
        if r.random() < 0.002:
            return [r.choice(["FLUSHALL", "FLUSHDB"])] + r.choice([[], ["SYNC"], ["async"], ["x"]])
        return r.choice(rows)()

    def config_set(self):
        r = self.random
        return ["CONFIG", "SET"] + r.choice([
            ["hz", self.integer()], ["maxmemory", r.choice(["1x", "0", "1.5", "-1"])], ["nosuch", "1"],
            ["appendfsync", "sometimes"], ["protected-mode", "maybe"], ["databases", "3"],
            ["slowlog-max-len", self.integer()], ["timeout", "-5"], ["timeout", "x"], ["hz"],
            ["slowlog-max-len", "7", "slowlog-max-len", "8"], ["notify-keyspace-events", "Z!"],
            ["list-max-ziplist-size", r.choice(["-2", "5", "x"])], ["save", "1"], ["save", "a b"],
            ["client-output-buffer-limit", "bad 1 2 3"], ["client-output-buffer-limit", "normal 1"]])

    def command_words(self):
        return self.random.choice([["get", "a"], ["MSET", "a", "1", "b", "2"], ["ping"], ["nosuch", "a"],
                                   ["get"], ["rename", "a", "b"], ["del", "a", "b", "c"], ["time", "x"]])

    def expire(self, name, relative, millis):
        flags = self.random.choice([[], [], ["NX"], ["XX"], ["GT"], ["LT"], ["NX", "XX"], ["GT", "LT"],
                                    ["XX", "GT"], ["xx", "lt"], ["NX", "GT"], ["foo"], ["nx", "nx"]])
        compared = any(flag.upper() in ("GT", "LT") for flag in flags)
        return [name, self.key(), self.expiry(relative, millis, compared)] + flags

    def wrong(self):
        """Unknown commands and wrong numbers of arguments."""
        r = self.random
        name = r.choice(["GET", "SET", "MSET", "MGET", "INCR", "INCRBY", "EXPIRE", "TTL", "RENAME", "SCAN",
                         "KEYS", "PING", "ECHO", "SELECT", "DBSIZE", "CLIENT", "CONFIG", "COMMAND",
                         "FUNCTION", "OBJECT", "SETRANGE", "COPY", "TIME", "WAIT", "RANDOMKEY", "GETEX",
                         "foo", "a" * 200, "\r\n", "CLIENT foo", ""])
        args = [self.value() for _ in range(r.choice([0, 0, 1, 1, 2, 3, 5]))]
        if name == "WAIT" and len(args) == 2:
            args.append("x")  # with a number of replicas above 0 it would wait
        if name == "COMMAND" and not args:
            return ["COMMAND", "COUNT", "x"]
        return [name] + args


def canonical(reply):
    """Something that compares without regard to order."""
    return sorted(repr(item) for item in reply) if isinstance(reply, list) else reply


def same(command, ours, theirs):
    name = command[0].upper()
    if ours == theirs:
        return True
    if type(ours) is not type(theirs):
        return False
    if name == "KEYS" or name == "SCANALL":
        return canonical(ours) == canonical(theirs)
    if name in ("TTL", "EXPIRETIME", "PTTL", "PEXPIRETIME") and isinstance(ours, int):
        return ours > 0 and theirs > 0 and abs(ours - theirs) <= (60 if name[0] != "P" else 60_000)
    if name in ("TIME", "LASTSAVE", "RANDOMKEY"):
        return True
    if name == "SCAN":  # pages and cursors are each server's own; SCANALL compares whole walks
        return isinstance(ours, list)
    if name == "CONFIG" and command[1] == "GET":
        pairs = lambda r: sorted(zip(map(repr, r[::2]), map(repr, r[1::2]))) if isinstance(r, list) else sorted(
            map(repr, r[1]))
        return pairs(ours) == pairs(theirs)
    return False


def scan_all(connection, options):
    """Every element of a whole SCAN, or the error."""
    cursor, found = b"0", set()
    while True:
        reply = connection("SCAN", cursor, *options)
        if not isinstance(reply, list):
            return reply
        cursor = reply[0]
        found.update(reply[1])
        if cursor == b"0":
            return sorted(found)


def run_batch(commands, ours, theirs):
    """Yields (command, our reply, their reply)."""
    plain = []

    def drain():
        if not plain:
            return []
        ours.send(plain)
        theirs.send(plain)
        results = [(command, ours.read(), theirs.read()) for command in plain]
        plain.clear()
        return results

    for command in commands:
        name = command[0].upper()
        if name == "DBSIZE":
            # redis-server counts keys that have expired until it meets them.
            plain.append(["EXISTS"] + KEYS)
        if name == "SCANALL":
            yield from drain()
            yield command, scan_all(ours, command[1:]), scan_all(theirs, command[1:])
        else:
            plain.append(command)
    yield from drain()


def raw_exchange(port, stream):
    """Everything a server answers to `stream` and a PING, and whether it closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(stream)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while True:
            try:
                piece = connection.recv(1 << 16)
            except ConnectionResetError:
                return received
            if not piece:
                return received
            received += piece


def broken_stream(generator):
    r = generator.random
    pieces = [b"*1\r\n$4\r\nPING\r\n", b"*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n", b"PING\r\n", b"ping\n", b"\r\n",
              b"*0\r\n", b"*-1\r\n", b"*-10\r\n", b"*abc\r\n", b"*1\r\n:5\r\n", b"*1\r\n$-1\r\n",
              b"*1\r\n$abc\r\n", b"*1\r\n$536870913\r\n", b"*2147483648\r\n", b"set a \"unbal\r\n",
              b"echo 'a b'\r\n", b"echo \"\\x41\\n\"\r\n", b"echo 'x'y\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n",
              b"POST / HTTP/1.1\r\n", b"*1\r\n$4\r\nPINGxx", b"*01\r\n", b"*1\r\n$04\r\nPING\r\n",
              b"*+1\r\n", b"* 1\r\n", b"*1 \r\n", b"$4\r\nPING\r\n", b"*1\r\n$0\r\n\r\n", b"'' ''\r\n",
              b"echo \"\"\r\n", b"*3\r\n$4\r\nECHO\r\n", b"\x00\r\n", b"*1\r\n\x004\r\n", b"*1\r\n$\x004\r\n",
              b"echo \t x\r\n", b"+OK\r\n"]
    stream = b"".join(r.choice(pieces) for _ in range(r.randint(1, 5)))
    if r.random() < 0.5:
        at = r.randrange(len(stream))
        stream = stream[:at] + bytes([r.choice(b"*$0123456789-\r\n\"' ax")]) + stream[at + r.randint(0, 1):]
    return stream


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nokv", required=True)
    parser.add_argument("--commands", type=int, default=20_000)
    parser.add_argument("--streams", type=int, default=300)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    print("seed", options.seed, flush=True)

    redis = resp.start_redis()
    if redis is None:
        print("skipped: redis-server is not installed")
        return 0
    nokv = resp.start_nokv(options.nokv)
    generator = Generator(options.seed)
    different = done = 0
    started = time.time()
    try:
        pairs = {}
        for protocol in ("2", "3"):
            pairs[protocol] = [resp.Connection(nokv.port), resp.Connection(redis.port)]
            for connection in pairs[protocol]:
                connection("HELLO", protocol)
        while done < options.commands and different < 20:
            protocol = generator.random.choice("23")
            commands = [generator.command() for _ in range(options.batch)]
            # HELLO 2 on a RESP3 connection would change it.
            commands = [c for c in commands if not (c[0] == "HELLO" and len(c) > 1 and c[1] == "2" and
                                                    protocol == "3")]
            for command, ours, theirs in run_batch(commands, *pairs[protocol]):
                if not same(command, ours, theirs):
                    different += 1
                    print("DIFFERENT (RESP%s) %r\n  nokv  %r\n  redis %r" % (
                        protocol, command, ours, theirs), flush=True)
                    # The two hold different data now: start anew.
                    for connection in pairs[protocol]:
                        connection("FLUSHALL")
            done += len(commands)
            if done // 100_000 > (done - len(commands)) // 100_000:
                print("%d commands so far, %d different" % (done, different), flush=True)
        for _ in range(options.streams):
            stream = broken_stream(generator)
            ours, theirs = raw_exchange(nokv.port, stream), raw_exchange(redis.port, stream)
            if ours != theirs:
                different += 1
                print("DIFFERENT stream %r\n  nokv  %r\n  redis %r" % (stream, ours, theirs), flush=True)
        for pair in pairs.values():
            for connection in pair:
                connection.close()
    except resp.Closed:
        different += 1
        print("a server closed a connection; nokv's log:", open(nokv.log.name).read()[-2000:])
    finally:
        redis.kill()
        redis.remove()
        status = nokv.stop()
        nokv.remove()
    print("%d commands, %d streams, %d different replies, %d s" % (
        done, options.streams, different, time.time() - started))
    return 0 if different == 0 and status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
