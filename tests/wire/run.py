#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs wire scenarios: what a client sends, what the server must answer.

  run.py [--server PROGRAM] [-v] FILE.wire...

A scenario is a list of statements, one a line; '#' starts a comment line.

  server NAME=VALUE ...    limits of the server (must be the first statement)
  server fresh             the default limits, but a server of its own
  connect [NAME]           opens a connection; later statements use it
  use NAME                 goes back to an earlier connection
  > TEXT                   sends TEXT and CRLF
  >| TEXT                  sends TEXT alone
  split N                  sends what follows in pieces of N bytes (0: whole)
  pause MS                 waits before going on
  half-close               sends FIN, still reads
  reset                    ends with a reset
  expect STATUS            reads one whole response with that status
    header NAME: VALUE       it has that field ('*' at the end matches any rest)
    no-header NAME           it lacks that field
    body TEXT                its content is TEXT
    body-has TEXT            its content contains TEXT
    body-bytes N             its content has N bytes
    truncated                it breaks off before its end
  expect interim STATUS    the same for 1xx
  expect raw TEXT          exactly these bytes come next
  expect eof               the server ends the connection, nothing more comes
  expect gone              the server ends it in any way
  expect reset             it is reset, whatever came before
  expect silence MS        nothing comes for so long, and it stays open
  times N STATEMENT        does it N times
  method HEAD              the next response answers HEAD: no content follows
  log TEXT                 the error log holds a line with TEXT

In TEXT, \\r \\n \\t \\0 \\\\ \\xHH are bytes, and \\{N*TEXT} repeats TEXT N times.
"""
import argparse
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TIMEOUT_S = 10.0


class Failure(Exception):
    pass


def text_to_bytes(text):
    def repeat(match):
        return match.group(2) * int(match.group(1))

    text = re.sub(r"\\\{(\d+)\*([^}]*)\}", repeat, text)
    simple = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
    out = bytearray()
    at = 0
    while at < len(text):
        if text[at] != "\\":
            out += text[at].encode("latin-1")
            at += 1
        elif text[at + 1] == "x":
            out.append(int(text[at + 2 : at + 4], 16))
            at += 4
        else:
            out += simple[text[at + 1]]
            at += 2
    return bytes(out)


class Server:
    """One server per set of limits, shared by the scenarios that ask for the same."""

    def __init__(self, program, limits):
        arguments = [program]
        for limit in limits:
            arguments += ["--set", limit]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        if not line.startswith("port "):
            raise Failure("the server did not start: " + repr(line))
        self.port = int(line.split()[1])

    def read_log(self):
        self.log.seek(0)
        return self.log.read().decode("latin-1")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure("the server did not stop")
        if code != 0:
            raise Failure("the server ended with %d: %s" % (code, self.read_log()[-2000:]))


class Response:
    def __init__(self, status, headers):
        self.status = status
        self.headers = headers
        self.body = b""
        self.truncated = False

    def get(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.ended = None  # "eof" or "reset"
        self.is_head = False

    def send(self, data, piece):
        try:
            if piece == 0:
                self.socket.sendall(data)
                return
            for at in range(0, len(data), piece):
                self.socket.sendall(data[at : at + piece])
                time.sleep(0.0005)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server may have answered and closed: what it said is still to be read

    def fill(self, timeout=TIMEOUT_S):
        """Reads once; returns False at the end or when nothing came in time."""
        if self.ended:
            return False
        if not select.select([self.socket], [], [], timeout)[0]:
            return False
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            self.ended = "reset"
            return False
        if not data:
            self.ended = "eof"
            return False
        self.buffer += data
        return True

    def need(self, n, what):
        while len(self.buffer) < n:
            if not self.fill():
                raise Failure("%s: %s after %r" % (what, self.ended or "silence", self.buffer[:300]))

    def take(self, n):
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def take_line(self, what):
        while b"\r\n" not in self.buffer:
            if not self.fill():
                raise Failure("%s: %s after %r" % (what, self.ended or "silence", self.buffer[:300]))
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def read_response(self):
        status_line = self.take_line("a status line")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) ([^\r\n]*)", status_line)
        if not match:
            raise Failure("not a status line: %r" % status_line)
        headers = []
        while True:
            line = self.take_line("a header")
            if not line:
                break
            name, colon, value = line.partition(":")
            if not colon:
                raise Failure("not a header: %r" % line)
            headers.append((name, value.strip()))
        response = Response(int(match.group(1)), headers)
        self.read_content(response)
        self.is_head = False
        return response

    def read_content(self, response):
        if response.status < 200 or response.status in (204, 304) or self.is_head:
            return
        try:
            if response.get("Transfer-Encoding"):
                self.read_chunks(response)
            elif response.get("Content-Length"):
                n = int(response.get("Content-Length")[0])
                while len(self.buffer) < n and self.fill():
                    pass
                response.body = self.take(n)
                response.truncated = len(response.body) < n
            else:
                while self.fill():
                    pass
                response.body = self.take(len(self.buffer))
                response.truncated = self.ended == "reset"
        except Failure:
            response.truncated = True

    def read_chunks(self, response):
        while True:
            size = int(self.take_line("a chunk size"), 16)
            self.need(size + 2, "a chunk")
            response.body += self.take(size)
            if self.take(2) != b"\r\n":
                raise Failure("a chunk does not end with CRLF")
            if size == 0:
                return


class Scenario:
    def __init__(self, path, servers, program):
        self.path = path
        self.servers = servers
        self.program = program
        self.server = None
        self.connections = {}
        self.current = None
        self.piece = 0
        self.response = None

    def start(self, limits):
        key = tuple(limits)
        if limits == ["fresh"]:
            key, limits = (self.path,), []
        if key not in self.servers:
            self.servers[key] = Server(self.program, limits)
        self.server = self.servers[key]

    def connection(self):
        if self.current is None:
            self.do_connect("")
        return self.current

    def run(self):
        with open(self.path, encoding="latin-1") as file:
            for number, line in enumerate(file, 1):
                try:
                    self.statement(line.rstrip("\n"))
                except Failure as failure:
                    raise Failure("%s:%d: %s\n    %s" % (self.path, number, line.strip(), failure))
        for connection in self.connections.values():
            connection.socket.close()

    def statement(self, line):
        text = line.strip()
        if not text or text.startswith("#"):
            return
        if line.startswith(">|"):
            self.connection().send(text_to_bytes(line[2:].removeprefix(" ")), self.piece)
            return
        if line.startswith(">"):
            data = text_to_bytes(line[1:].removeprefix(" ")) + b"\r\n"
            self.connection().send(data, self.piece)
            return
        word, _, rest = text.partition(" ")
        method = getattr(self, "do_" + word.replace("-", "_"), None)
        if method is None:
            raise Failure("no such statement")
        method(rest)

    def do_times(self, rest):
        count, _, statement = rest.partition(" ")
        for _ in range(int(count)):
            self.statement(statement)

    def do_server(self, rest):
        self.start(rest.split())

    def do_connect(self, name):
        if self.server is None:
            self.start([])
        self.current = Connection(self.server.port)
        self.connections[name] = self.current

    def do_use(self, name):
        self.current = self.connections[name]

    def do_split(self, rest):
        self.piece = int(rest)

    def do_pause(self, rest):
        time.sleep(int(rest) / 1000)

    def do_half_close(self, _):
        self.connection().socket.shutdown(socket.SHUT_WR)

    def do_reset(self, _):
        linger = struct.pack("ii", 1, 0)
        self.connection().socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection().socket.close()

    def do_method(self, rest):
        self.connection().is_head = rest == "HEAD"

    def do_expect(self, rest):
        kind, _, argument = rest.partition(" ")
        if kind in ("raw", "eof", "gone", "reset", "silence", "interim"):
            getattr(self, "expect_" + kind)(argument)
            return
        self.response = self.connection().read_response()
        self.check_status(int(kind))
        for required in ("Date", "Server"):
            if self.response.status >= 200 and len(self.response.get(required)) != 1:
                raise Failure("%s is missing: %r" % (required, self.response.headers))

    def check_status(self, wanted):
        if self.response.status != wanted:
            raise Failure("status %d, %r" % (self.response.status, self.response.body[:300]))

    def expect_interim(self, argument):
        self.response = self.connection().read_response()
        self.check_status(int(argument))

    def expect_raw(self, argument):
        wanted = text_to_bytes(argument)
        self.connection().need(len(wanted), "raw bytes")
        got = self.connection().take(len(wanted))
        if got != wanted:
            raise Failure("got %r" % got)

    def expect_eof(self, _):
        self.expect_gone("")
        if self.connection().ended != "eof":
            raise Failure("ended by " + self.connection().ended)

    def expect_gone(self, _):
        connection = self.connection()
        while connection.fill():
            pass
        if connection.buffer:
            raise Failure("surplus bytes %r" % connection.buffer[:300])
        if not connection.ended:
            raise Failure("still open")

    def expect_reset(self, _):
        while self.connection().fill():
            pass
        if self.connection().ended != "reset":
            raise Failure("not reset, but " + str(self.connection().ended))

    def expect_silence(self, argument):
        connection = self.connection()
        if connection.buffer or connection.fill(int(argument) / 1000):
            raise Failure("got %r" % connection.buffer[:300])
        if connection.ended:
            raise Failure("ended by " + connection.ended)

    def do_header(self, rest):
        name, _, wanted = rest.partition(":")
        wanted = wanted.strip()
        values = self.response.get(name)
        if wanted.endswith("*"):
            ok = any(value.startswith(wanted[:-1]) for value in values)
        else:
            ok = wanted in values
        if not ok:
            raise Failure("got %r" % self.response.headers)

    def do_no_header(self, name):
        if self.response.get(name):
            raise Failure("got %r" % self.response.get(name))

    def do_body(self, rest):
        if self.response.body != text_to_bytes(rest):
            raise Failure("got %r" % self.response.body[:300])

    def do_body_has(self, rest):
        if text_to_bytes(rest) not in self.response.body:
            raise Failure("got %r" % self.response.body[:300])

    def do_body_bytes(self, rest):
        if len(self.response.body) != int(rest):
            raise Failure("got %d bytes" % len(self.response.body))

    def do_truncated(self, _):
        if not self.response.truncated:
            raise Failure("the response is complete")

    def do_log(self, rest):
        end = time.monotonic() + TIMEOUT_S
        while rest not in self.server.read_log():
            if time.monotonic() > end:
                raise Failure("the log says %r" % self.server.read_log()[-500:])
            time.sleep(0.01)


def main():
    parser = argparse.ArgumentParser(description="Runs wire scenarios.")
    parser.add_argument("--server", required=True, help="the test server's program")
    parser.add_argument("-v", action="store_true", help="name each scenario")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    servers = {}
    failures = 0
    for path in options.files:
        started = time.monotonic()
        try:
            Scenario(path, servers, options.server).run()
            if options.v:
                print("ok    %s (%d ms)" % (path, (time.monotonic() - started) * 1000))
        except Failure as failure:
            failures += 1
            print("FAIL  %s" % failure)
    for server in servers.values():
        try:
            server.stop()
        except Failure as failure:
            failures += 1
            print("FAIL  %s" % failure)
    print("%d scenarios, %d failures" % (len(options.files), failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
