#!/usr/bin/env python3
"""Clients that misbehave, and whether the others notice.

  limits.py --nokv build/release/nokv [--short]

Slow readers of large values, a bulk that never ends, a million queued commands, thousands of idle
connections, clients beyond --max-clients, requests before AUTH, a first DBSIZE on many keys. Each scene
reports the growth of the server's memory and how others fared meanwhile, their latency in milliseconds as
median, 99th percentile and maximum; beyond the stated bounds the test fails. The long form takes about
two minutes and wants a machine that does little else.
"""

import argparse
import os
import resource
import select
import socket
import sys
import threading
import time

import resp

MIB = 1 << 20


def memory(server):
    """Resident bytes of the server."""
    with open("/proc/%d/statm" % server.process.pid) as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def other_client(server, count=200):
    """The latencies of `count` commands of a client that behaves, in milliseconds."""
    connection = resp.Connection(server.port)
    latencies = []
    for i in range(count):
        start = time.time()
        assert connection("SET", "other", i) == "OK"
        latencies.append((time.time() - start) * 1000)
    connection.close()
    return latencies


def active_clients(server, clients, seconds):
    """The latencies of that many clients at the same time, each with one command under way."""
    poll = select.epoll()
    sockets, sent, latencies = {}, {}, []
    for _ in range(clients):
        connection = socket.create_connection(("127.0.0.1", server.port))
        sockets[connection.fileno()] = connection
        poll.register(connection.fileno(), select.EPOLLIN)
    command = resp.encode(["SET", "active", "x" * 100])
    for fd, connection in sockets.items():
        sent[fd] = time.time()
        connection.sendall(command)
    end = time.time() + seconds
    while time.time() < end:
        for fd, _ in poll.poll(10):
            assert sockets[fd].recv(100) == b"+OK\r\n"
            now = time.time()
            latencies.append((now - sent[fd]) * 1000)
            sent[fd] = now
            sockets[fd].sendall(command)
    for connection in sockets.values():
        connection.close()
    return latencies


class Scenes:
    def __init__(self, binary, short):
        self.binary, self.short = binary, short
        self.failures = []

    def report(self, name, server, before, growth_max, latencies, slowest_max=2000):
        growth = memory(server) - before
        latencies = sorted(latencies)
        ok = growth <= growth_max and latencies[-1] <= slowest_max
        print("%-34s memory +%.1f MiB (bound %d), %d commands of others: %.2f, %.2f, %.1f ms%s" % (
            name, growth / MIB, growth_max // MIB, len(latencies), latencies[len(latencies) // 2],
            latencies[len(latencies) * 99 // 100], latencies[-1], "" if ok else "  TOO MUCH"), flush=True)
        if not ok:
            self.failures.append(name)

    def slow_readers(self):
        server = resp.start_nokv(self.binary)
        clients = 20 if self.short else 100
        resp.Connection(server.port)("SET", "big", "x" * MIB)
        before = memory(server)
        readers = []
        for _ in range(clients):
            reader = resp.Connection(server.port)
            reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.send([["GET", "big"]] * 50)
            readers.append(reader)
        latencies = []
        for _ in range(3 if self.short else 30):
            start = time.time()
            for reader in readers:
                reader.socket.recv(1024)
            latencies += other_client(server, 100)
            time.sleep(max(0, start + 1 - time.time()))
        # What is owed to each: the pause limit and the reply that went beyond it.
        self.report("%d readers of 1 MiB at 1 KiB/s" % clients, server, before, clients * 4 * MIB, latencies)
        server.stop()
        server.remove()

    def endless_bulk(self):
        server = resp.start_nokv(self.binary)
        before = memory(server)
        sender = resp.Connection(server.port)
        sender.socket.sendall(b"*2\r\n$4\r\nECHO\r\n$536870912\r\n")
        sent = 0
        for _ in range(64):
            sender.socket.sendall(b"x" * (256 * 1024))
            sent += 256 * 1024
        self.report("a bulk that does not end", server, before, 4 * sent + 16 * MIB, other_client(server))
        server.stop()
        server.remove()

    def million_commands(self):
        server = resp.start_nokv(self.binary)
        count = 100_000 if self.short else 1_000_000
        before = memory(server)
        sender = resp.Connection(server.port)
        sender.socket.setblocking(False)
        stream = memoryview(resp.encode(["INCR", "counter"]) * count)
        latencies = []
        stuck = 0
        # Reads nothing: the server must stop taking commands, not gather replies.
        while len(stream) > 0 and stuck < 20:
            try:
                stream = stream[sender.socket.send(stream[:1 << 20]):]
                stuck = 0
            except BlockingIOError:
                latencies += other_client(server, 20)
                stuck += 1
                time.sleep(0.01)
        self.report("%d commands in one pipeline" % count, server, before, 64 * MIB,
                    latencies + other_client(server))
        server.stop()
        server.remove()

    def idle_connections(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        count = min(1_000 if self.short else 10_000, hard - 500)
        server = resp.start_nokv(self.binary, "--max-clients", str(count + 100))
        seconds = 1 if self.short else 10
        self.report("50 active connections alone", server, memory(server), 64 * MIB, active_clients(server, 50, seconds))
        before = memory(server)
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(count)]
        for connection in idle[::10]:
            connection.sendall(b"PING\r\n")
        latencies = active_clients(server, 50, seconds)
        connected = dict(line.split(b":", 1) for line in resp.Connection(server.port)("INFO", "clients")
                         .split(b"\r\n") if b":" in line)[b"connected_clients"]
        if int(connected) < count:
            self.failures.append("idle connections were closed")
        self.report("50 active beside %d idle" % count, server, before, count * 32 * 1024 + 8 * MIB, latencies)
        for connection in idle:
            connection.close()
        server.stop()
        server.remove()

    def first_count(self):
        server = resp.start_nokv(self.binary)
        count = 200_000 if self.short else 5_000_000
        loader = resp.Connection(server.port)
        for start in range(0, count, 10_000):
            words = [word for i in range(start, start + 10_000, 100) for word in [["MSET"] + [
                part for k in range(i, i + 100) for part in ("key:%d" % k, "v")]]]
            loader.pipeline(words)
        loader.close()
        server.stop()
        server.start()
        before = memory(server)
        answer = []
        waiting = resp.Connection(server.port)

        def ask():
            start = time.time()
            answer.append(waiting("DBSIZE"))
            answer.append(time.time() - start)

        thread = threading.Thread(target=ask)
        thread.start()
        latencies = other_client(server, 20)
        while thread.is_alive():
            latencies += other_client(server, 20)
        thread.join()
        if answer[0] != count + 1:  # and the key of the other client
            self.failures.append("DBSIZE says %d, not %d" % (answer[0], count + 1))
        self.report("the first DBSIZE, of %d keys" % count, server, before, 300 * MIB, latencies, 200)
        print("%34s answered after %.2f s" % ("", answer[1]), flush=True)
        server.stop()
        server.remove()

    def too_many_clients(self):
        server = resp.start_nokv(self.binary, "--max-clients", "10")
        time.sleep(0.3)  # for the server to notice that the connection which waited for it is gone
        connections = [resp.Connection(server.port) for _ in range(10)]
        time.sleep(0.3)
        refused = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        answer = refused.recv(100)
        if answer != b"-ERR max number of clients reached\r\n" or refused.recv(1) != b"":
            self.failures.append("no clear refusal beyond --max-clients: %r" % answer)
        if connections[0]("PING") != "PONG":
            self.failures.append("a refusal disturbed the others")
        print("clients beyond --max-clients        refused with an error", flush=True)
        server.stop()
        server.remove()

    def before_auth(self):
        server = resp.start_nokv(self.binary, "--requirepass", "secret")
        for stream, answer in ((b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
                               (b"*1\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
                               (b"GET a\r\n", b"-NOAUTH Authentication required.\r\n")):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            connection.sendall(stream)
            got = connection.recv(1000)
            if got != answer:
                self.failures.append("before AUTH %r answers %r" % (stream, got))
            connection.close()
        print("requests before AUTH                limited to 10 elements of 16 KiB", flush=True)
        if server.stop() != 0:
            self.failures.append("SIGTERM did not end the server with status 0")
        server.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nokv", required=True)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    scenes = Scenes(options.nokv, options.short)
    scenes.too_many_clients()
    scenes.before_auth()
    scenes.endless_bulk()
    scenes.million_commands()
    scenes.slow_readers()
    scenes.idle_connections()
    scenes.first_count()
    for failure in scenes.failures:
        print("FAILED: " + failure)
    return 1 if scenes.failures else 0


if __name__ == "__main__":
    sys.exit(main())
