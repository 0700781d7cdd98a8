#!/usr/bin/env python3
"""Every command of the server through redis-py, with its replies checked, over RESP2 and RESP3.

  smoke.py PORT PASSWORD

Expects a fresh server started with --requirepass PASSWORD and --enable-debug-command, and ends it with
SHUTDOWN. Ends with a line "redis-py: N passed, N failed". run.sh runs it.
"""

import datetime
import sys
import time

import redis

PORT, PASSWORD = int(sys.argv[1]), sys.argv[2]


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def equal(self, what, got, wanted):
        self.true(what, got == wanted, "%r, not %r" % (got, wanted))

    def true(self, what, holds, detail=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print("FAILED redis-py: %s: %s" % (what, detail), flush=True)

    def refused(self, what, start, call):
        """`call` raises an error reply that starts with `start`."""
        try:
            self.true(what, False, "%r instead of an error" % (call(),))
        except (redis.ResponseError, redis.AuthenticationError) as error:
            self.true(what, str(error).startswith(start), str(error))


def text(word):
    """redis-py gives some words as bytes in RESP3 and as text in RESP2."""
    return word.decode() if isinstance(word, bytes) else word


def strings(check, r):
    check.equal("SET", r.set("s", "hello"), True)
    check.equal("GET", r.get("s"), b"hello")
    check.equal("GET of nothing", r.get("none"), None)
    check.equal("SET NX refused", r.set("s", "x", nx=True), None)
    check.equal("SET XX GET", r.set("s", "hello", xx=True, get=True), b"hello")
    check.equal("SET binary", r.set("bin\x00\r\n", bytes(range(256))), True)
    check.equal("GET binary", r.get("bin\x00\r\n"), bytes(range(256)))
    check.equal("SET EX", r.set("t", "v", ex=100), True)
    check.true("TTL", 90 <= r.ttl("t") <= 100)
    check.equal("SET KEEPTTL", r.set("t", "w", keepttl=True), True)
    check.true("TTL kept", 90 <= r.ttl("t") <= 100)
    check.equal("SET PXAT", r.set("t", "v", pxat=int(time.time() * 1000) + 100_000), True)
    check.true("PTTL", 90_000 <= r.pttl("t") <= 100_000)
    check.equal("SETNX", r.setnx("nx", "1"), True)
    check.equal("SETNX refused", r.setnx("nx", "1"), False)
    check.equal("SETEX", r.execute_command("SETEX", "t", 50, "v"), True)
    check.true("TTL of SETEX", 40 <= r.ttl("t") <= 50)
    check.equal("PSETEX", r.psetex("t", 50_000, "v"), True)
    check.equal("GETSET", r.getset("s", "world"), b"hello")
    check.equal("GETDEL", r.getdel("nx"), b"1")
    check.equal("GETEX", r.getex("s", ex=60), b"world")
    check.equal("GETEX PERSIST", r.getex("s", persist=True), b"world")
    check.equal("TTL without", r.ttl("s"), -1)
    check.equal("APPEND", r.append("s", "!"), 6)
    check.equal("STRLEN", r.strlen("s"), 6)
    check.equal("GETRANGE", r.getrange("s", 1, 3), b"orl")
    check.equal("SUBSTR", r.substr("s", 0, 1), b"wo")
    check.equal("SETRANGE", r.setrange("s", 0, "W"), 6)
    check.equal("MSET", r.mset({"a": 1, "b": 2}), True)
    check.equal("MGET", r.mget("a", "b", "none"), [b"1", b"2", None])
    check.equal("MSETNX refused", r.msetnx({"a": 1, "c": 2}), False)
    check.equal("MSETNX", r.msetnx({"c": 1, "d": 2}), True)
    check.equal("INCR", r.execute_command("INCR", "n"), 1)
    check.equal("INCRBY", r.incr("n", 41), 42)
    check.equal("DECR", r.execute_command("DECR", "n"), 41)
    check.equal("DECRBY", r.decr("n", 40), 1)
    check.equal("INCRBYFLOAT", r.incrbyfloat("n", 0.5), 1.5)
    check.refused("INCR of a word", "value is not an integer", lambda: r.incr("s"))


def keys(check, r):
    now = int(time.time())
    check.equal("FLUSHALL", r.flushall(), True)
    check.equal("MSET", r.mset({"k%d" % i: i for i in range(20)}), True)
    check.equal("DBSIZE", r.dbsize(), 20)
    check.equal("EXISTS", r.exists("k1", "k1", "none"), 2)
    check.equal("TOUCH", r.touch("k1", "none"), 1)
    check.equal("TYPE", (r.type("k1"), r.type("none")), (b"string", b"none"))
    check.equal("EXPIRE", r.expire("k1", 100), True)
    check.equal("EXPIRE NX refused", r.expire("k1", 100, nx=True), False)
    check.equal("PEXPIRE", r.pexpire("k1", 200_000, gt=True), True)
    check.equal("EXPIREAT", r.expireat("k1", now + 500), True)
    check.equal("EXPIRETIME", r.expiretime("k1"), now + 500)
    check.equal("PEXPIREAT", r.pexpireat("k1", (now + 600) * 1000), True)
    check.equal("PEXPIRETIME", r.pexpiretime("k1"), (now + 600) * 1000)
    check.equal("PERSIST", r.persist("k1"), True)
    check.equal("PTTL without", r.pttl("k1"), -1)
    check.equal("TTL of nothing", r.ttl("none"), -2)
    check.equal("EXPIRE in the past", (r.expire("k19", -1), r.exists("k19")), (True, 0))
    check.equal("RENAME", r.rename("k1", "renamed"), True)
    check.refused("RENAME of nothing", "no such key", lambda: r.rename("none", "x"))
    check.equal("RENAMENX refused", r.renamenx("renamed", "k2"), False)
    check.equal("COPY", r.copy("renamed", "copied"), True)
    check.equal("COPY refused", r.copy("renamed", "copied"), False)
    check.equal("COPY REPLACE", r.copy("k2", "copied", replace=True), True)
    check.refused("MOVE", "DB index is out of range", lambda: r.move("k2", 1))
    check.equal("KEYS", sorted(r.keys("k1?")), [b"k1%d" % i for i in range(9)])
    check.equal("SCAN", sorted(r.scan_iter(match="k*", count=3)), sorted(b"k%d" % i for i in range(19) if i != 1))
    check.equal("SCAN TYPE", list(r.scan_iter(_type="list")), [])
    check.true("RANDOMKEY", r.exists(r.randomkey()) == 1)
    check.equal("OBJECT ENCODING", r.object("encoding", "k2"), b"int")
    check.equal("OBJECT REFCOUNT", r.object("refcount", "k2"), 1)
    check.equal("OBJECT IDLETIME", r.object("idletime", "k2"), 0)
    check.refused("OBJECT FREQ", "An LFU maxmemory policy is not selected", lambda: r.object("freq", "k2"))
    check.equal("DEL", r.delete("k2", "k2", "k3"), 2)
    check.equal("UNLINK", r.unlink("k4", "none"), 1)
    check.equal("WAIT", r.wait(0, 0), 0)
    with r.pipeline(transaction=False) as pipeline:
        for i in range(1000):
            pipeline.incr("counter")
        check.equal("a pipeline", pipeline.execute(), list(range(1, 1001)))
    check.equal("FLUSHDB", (r.flushdb(asynchronous=True), r.dbsize()), (True, 0))


def connections(check, r, protocol):
    check.equal("PING", r.ping(), True)
    check.equal("ECHO", r.echo("\x00 binary"), b"\x00 binary")
    with r.client() as own:  # one connection for all that follows
        hello = own.execute_command("HELLO", protocol, "AUTH", "default", PASSWORD, "SETNAME", "greeted")
        hello = dict(zip(hello[::2], hello[1::2])) if isinstance(hello, list) else hello
        check.equal("HELLO", (hello[b"proto"], hello[b"role"]), (protocol, b"master"))
        check.equal("HELLO SETNAME", text(own.client_getname()), "greeted")
        check.equal("AUTH", own.execute_command("AUTH", PASSWORD), True)
        check.refused("AUTH refused", "invalid username-password pair", lambda: own.execute_command("AUTH", "no"))
        check.equal("SELECT", own.select(0), True)
        check.refused("SELECT 1", "DB index is out of range", lambda: own.execute_command("SELECT", 1))
        check.equal("CLIENT SETNAME", (own.client_setname("smoke"), own.client_info()["name"]), (True, "smoke"))
        check.equal("CLIENT SETINFO", own.client_setinfo("LIB-NAME", "smoke-test"), True)
        check.equal("CLIENT NO-EVICT", own.client_no_evict("ON"), b"OK")
        number = own.client_id()
        check.equal("CLIENT INFO", (own.client_info()["name"], own.client_info()["id"]), ("smoke", number))
        check.equal("CLIENT LIST", [c["id"] for c in own.client_list(client_id=[number])], [str(number)])
        check.true("CLIENT LIST of all", any(c["name"] == "smoke" for c in own.client_list()))
        check.true("CLIENT HELP", len(own.execute_command("CLIENT HELP")) > 10)
        with r.client() as victim:
            check.equal("CLIENT KILL", own.client_kill_filter(_id=victim.client_id()), 1)
        check.refused("CLIENT KILL of nobody", "No such client", lambda: own.client_kill("1.2.3.4:5"))
    # Below redis-py's own handling of the connection, which these two end.
    connection = r.connection_pool.make_connection()
    connection.connect()
    connection.send_command("RESET")
    check.equal("RESET", connection.read_response(), b"RESET")
    connection.send_command("QUIT")
    check.equal("QUIT", connection.read_response(), b"OK")
    connection.disconnect()


def server(check, r):
    check.true("INFO", r.info()["redis_version"] == "7.0.15" and r.info("server")["redis_mode"] == "standalone")
    r.set("k", "v")
    check.equal("INFO keyspace", r.info("keyspace")["db0"]["keys"], 1)
    check.equal("CONFIG GET", r.config_get("maxmemory-policy"), {"maxmemory-policy": "noeviction"})
    check.equal("CONFIG SET", r.config_set("slowlog-max-len", 7), True)
    check.equal("CONFIG SET kept", r.config_get("slowlog-*")["slowlog-max-len"], "7")
    check.refused("CONFIG REWRITE", "The server is running without a config file", r.config_rewrite)
    check.true("CONFIG HELP", len(r.execute_command("CONFIG HELP")) > 5)
    check.true("COMMAND", r.command()["get"]["arity"] == 2)
    check.equal("COMMAND COUNT", r.command_count(), len(r.command()))
    check.true("COMMAND DOCS", b"get" in str(r.execute_command("COMMAND DOCS", "get")).encode())
    check.equal("COMMAND INFO", len(r.execute_command("COMMAND INFO", "get", "set")), 2)
    check.equal("COMMAND LIST", r.command_list(pattern="getr*"), [b"getrange"])
    check.equal("COMMAND GETKEYS", list(map(text, r.command_getkeys("MSET", "a", 1, "b", 2))), ["a", "b"])
    check.true("COMMAND HELP", len(r.execute_command("COMMAND HELP")) > 5)
    check.true("OBJECT HELP", len(r.execute_command("OBJECT HELP")) > 5)
    check.true("FUNCTION HELP", len(r.execute_command("FUNCTION HELP")) > 1)
    check.equal("FUNCTION FLUSH", r.function_flush(), True)
    check.true("TIME", abs(r.time()[0] - time.time()) < 5)
    check.true("LASTSAVE", abs((r.lastsave() - datetime.datetime.now()).total_seconds()) < 5)
    check.equal("ROLE", r.role()[0], b"master")
    check.equal("DEBUG SLEEP", r.execute_command("DEBUG", "SLEEP", "0.01"), b"OK")
    check.refused("an unknown command", "unknown command 'NOSUCH'", lambda: r.execute_command("NOSUCH", "a"))


def all_were_called(check, r):
    """The server's own count: no command of its list is left without a call."""
    called = set(r.info("commandstats"))
    containers = {name.split(b"|")[0] for name in r.command_list() if b"|" in name} - {b"command"}
    for name in r.command_list():
        if name != b"shutdown" and name not in containers:
            check.true("calls of %s" % name.decode(), "cmdstat_" + name.decode() in called, "none")


def main():
    check = Checks()
    for protocol in (2, 3):
        r = redis.Redis(port=PORT, password=PASSWORD, protocol=protocol)
        check.equal("CONFIG RESETSTAT", r.config_resetstat(), True)
        strings(check, r)
        keys(check, r)
        connections(check, r, protocol)
        server(check, r)
        all_were_called(check, r)
    try:
        r.shutdown(nosave=True)
        check.true("SHUTDOWN", True)
    except redis.ConnectionError as error:
        check.true("SHUTDOWN", False, str(error))
    print("redis-py: %d passed, %d failed" % (check.passed, check.failed))
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
