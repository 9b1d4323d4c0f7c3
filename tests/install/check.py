#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Installs a build to a temporary prefix, then builds both examples against the
copy, each with CMake and with pkg-config, and the modules that README.md shows;
runs them and talks to them.

    check.py --build BUILD-FOLDER [--cc COMPILER] [--flag FLAG]...
"""

import argparse
import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "contrib/examples"
WAIT_S = 60


def run(*command, **options):
    """Runs a command, quietly unless it fails."""
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True, check=False, **options)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


class Server:
    """A server on a Unix socket, for the time of a with block."""

    def __init__(self, folder, command, environment):
        self.path = folder / "server.sock"
        self.command = [str(c).replace("ADDRESS", f"unix:{self.path}") for c in command]
        self.environment = environment

    def __enter__(self):
        self.path.unlink(missing_ok=True)
        self.process = subprocess.Popen(self.command, env=self.environment)
        limit = time.monotonic() + WAIT_S
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                raise SystemExit(f"{self.command} ended with {self.process.returncode}")
            try:
                self.connect().close()
                return self
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{self.command} does not listen")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(WAIT_S)
        if code != 0:
            raise SystemExit(f"{self.command} ended with {code} after SIGTERM")

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(WAIT_S)
        connection.connect(str(self.path))
        return connection

    def get(self, target):
        """The status and the body."""
        with self.connect() as connection:
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = connection.makefile("rb").read()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def say(self, target, text):
        """Sends one WebSocket message and returns the one that comes back."""
        with self.connect() as connection:
            key = base64.b64encode(bytes(16)).decode()
            connection.sendall((f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n").encode())
            stream = connection.makefile("rb")
            status = stream.readline()
            if b" 101 " not in status:
                raise SystemExit(f"{target}: {status!r}")
            while stream.readline() not in (b"\r\n", b""):
                pass
            payload = text.encode()
            # The mask is all zeros, so the payload goes as it is.
            connection.sendall(bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
            opcode, length = stream.read(2)
            if opcode != 0x81:
                raise SystemExit(f"{target}: not a text frame: {opcode:#x}")
            return stream.read(length).decode()


def expect(what, got, wanted):
    if got != wanted:
        raise SystemExit(f"{what}: {got!r} instead of {wanted!r}")
    print(f"ok  {what}")


def check_module(work, program, module, environment):
    command = [program, "--bind", "ADDRESS", "--module", module]
    with Server(work, command, environment) as server:
        status, body = server.get("/native/visits/anna")
        expect(f"{module.name}: status", status, 200)
        expect(f"{module.name}: answer", json.loads(body), {"name": "anna", "visits": 1})
        expect(f"{module.name}: WebSocket", server.say("/native/echo", "hello"), "hello")


def check_standalone(work, program, environment):
    with Server(work, [program, "ADDRESS"], environment) as server:
        expect(f"{program.name}: sum", server.get("/sum/100"), (200, b"5050\n"))
        expect(f"{program.name}: limit", server.get("/sum/100000001")[0], 400)
        expect(f"{program.name}: WebSocket", server.say("/chat", "to all"), "to all")


def check_readme(work, cc, flags, program, environment):
    """The C of README.md, as a reader would copy it."""
    options = []
    for code in re.findall(r"^```c\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S):
        name = re.search(r'\.name = "(\w+)"', code).group(1)
        (work / f"{name}.c").write_text(code)
        run(cc, *flags, "-shared", "-fPIC", "-o", work / f"{name}.so", work / f"{name}.c")
        options += ["--module", work / f"{name}.so"]
    with Server(work, [program, "--bind", "ADDRESS", *options], environment) as server:
        expect("README.md: handler", server.get("/hello"), (200, b"Hello from C\n"))
        expect("README.md: WebSocket", server.say("/echo", "as read"), "as read")


def build_by_cmake(work, prefix, name, flags):
    build = work / f"cmake-{name}"
    run("cmake", "-S", EXAMPLES / name, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Werror {' '.join(flags)}")
    run("cmake", "--build", build)
    return build


def pkg_config(pc_folder, *arguments):
    return run("pkg-config", *arguments, env=dict(os.environ, PKG_CONFIG_PATH=str(pc_folder))).split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--flag", action="append", default=[])
    args = parser.parse_args()
    os.environ["CC"] = args.cc
    # Short, because a Unix socket's path has little room.
    work = Path(tempfile.mkdtemp(prefix="gn-"))
    try:
        prefix = work / "prefix"
        run("cmake", "--install", args.build, "--prefix", prefix)
        library = next(prefix.glob("**/libgustnado.so")).parent
        environment = dict(os.environ, LD_LIBRARY_PATH=str(library))
        program = prefix / "bin/gustnado"

        module = build_by_cmake(work, prefix, "module", args.flag) / "visits.so"
        check_module(work, program, module, environment)
        chat = build_by_cmake(work, prefix, "standalone", args.flag)
        check_standalone(work, chat / "chat", environment)
        check_standalone(work, chat / "chat_static", environment)

        pc_folder = library / "pkgconfig"
        strict = ["-std=c11", "-Wall", "-Wextra", "-Werror", *args.flag]
        module = work / "visits_pc.so"
        module_flags = [*strict, *pkg_config(pc_folder, "--cflags", "gustnado-module")]
        run(args.cc, *module_flags, "-shared", "-fPIC", "-o", module, EXAMPLES / "module/visits.c")
        check_module(work, program, module, environment)
        check_readme(work, args.cc, module_flags, program, environment)
        standalone = work / "chat_pc"
        run(args.cc, *strict, "-o", standalone, EXAMPLES / "standalone/main.c",
            *pkg_config(pc_folder, "--cflags", "--libs", "gustnado"))
        check_standalone(work, standalone, environment)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
