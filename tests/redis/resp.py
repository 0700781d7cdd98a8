"""A small client of the Redis protocol, both versions, and servers to talk to: for the tests beside it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time


class Error(str):
    """An error reply."""


class Simple(str):
    """A simple string."""


class Closed(Exception):
    """The server closed the connection."""


def encode(args):
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        if isinstance(arg, str):
            arg = arg.encode()
        elif not isinstance(arg, bytes):
            arg = str(arg).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(parts)


class Connection:
    """One connection. Replies come back as Python values that keep RESP3's types apart."""

    def __init__(self, port, timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", 1 << 16)

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, commands):
        self.socket.sendall(b"".join(encode(command) for command in commands))

    def __call__(self, *args):
        self.send([args])
        return self.read()

    def pipeline(self, commands):
        self.send(commands)
        return [self.read() for _ in commands]

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise Closed()
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return Simple(rest.decode("latin1"))
        if kind == b"-":
            return Error(rest.decode("latin1"))
        if kind == b":":
            return int(rest)
        if kind == b"_":
            return ("null",)
        if kind == b",":
            return ("double", rest)
        if kind == b"#":
            return ("bool", rest)
        if kind in b"$=":
            length = int(rest)
            if length < 0:
                return None
            body = self.file.read(length + 2)
            if len(body) != length + 2:
                raise Closed()
            return body[:-2] if kind == b"$" else ("verbatim", body[:-2])
        if kind in b"*~>":
            count = int(rest)
            if count < 0:
                return ("null array",)
            items = [self.read() for _ in range(count)]
            return items if kind == b"*" else (kind.decode(), items)
        if kind == b"%":
            return ("map", [(self.read(), self.read()) for _ in range(int(rest))])
        raise ValueError("not a reply: %r" % line)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server process with a directory of its own, ended by its process id."""

    def __init__(self, command, port, directory):
        self.command, self.port, self.directory = command, port, directory
        self.start()

    def start(self):
        self.log = open(os.path.join(self.directory, "log"), "ab")
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        deadline = time.time() + 60
        while True:
            if self.process.poll() is not None:
                raise RuntimeError("the server ended at once: see " + self.log.name)
            try:
                connection = Connection(self.port)
                if connection("PING") in ("PONG", "NOAUTH Authentication required."):
                    connection.close()
                    return
                connection.close()
            except (OSError, Closed):
                pass
            if time.time() > deadline:
                raise RuntimeError("the server does not answer: see " + self.log.name)
            time.sleep(0.02)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def stop(self):
        """Ends it cleanly; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.log.close()
        return status

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def start_nokv(binary, *flags, sync="no"):
    port = free_port()
    directory = tempfile.mkdtemp(prefix="nokv-redis-test-")
    command = [binary, "redis", "--dir", os.path.join(directory, "data"),
               "--listen", "127.0.0.1:%d" % port, "--sync", sync, *flags]
    return Server(command, port, directory)


def start_redis(*flags):
    """None if redis-server is not installed."""
    binary = shutil.which("redis-server")
    if binary is None:
        return None
    port = free_port()
    directory = tempfile.mkdtemp(prefix="nokv-redis-peer-")
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
               "--databases", "1", "--dir", directory, *flags]
    return Server(command, port, directory)
