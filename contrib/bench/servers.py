# SPDX-License-Identifier: MIT
"""How each server is started, and what it costs while it runs.

Every server gets one process. Those with a thread pool get the number of
threads the measurement asks for; those without get none. No access log.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
BUILD = Path(os.environ.get("GN_BENCH_BUILD", HERE.parent.parent / "build/bench"))
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /1k {{ return 200 "{kilobyte}"; }}
        location / {{ root {folder}; open_file_cache max=10; }}
    }}
}}
"""


def gustnado(module, port, threads, folder, *more):
    return [BUILD / "deploy/program/gustnado", "-b", f"127.0.0.1:{port}", "--threads", threads,
            "--venv", BIN.parent, "--chdir", HERE, "--log-level", "warning", *more,
            f"{module}:application"]


def native(module, port, threads, folder):
    return gustnado(module, port, threads, folder,
                    "--module", BUILD / "contrib/bench/gn_bench_module.so")


def over_tls(module, port, threads, folder):
    """With a certificate made on the spot."""
    cert, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return [*native(module, port, threads, folder), "--certfile", cert, "--keyfile", key]


def gunicorn(module, port, threads, folder):
    return [BIN / "gunicorn", "-b", f"127.0.0.1:{port}", "-k", "gthread", "--threads", threads,
            "--chdir", HERE, "--log-level", "warning", "--keep-alive", "75",
            "--worker-connections", "4000", "--backlog", "4096",
            f"{module}:application"]


def uwsgi(module, port, threads, folder):
    pool = ["--threads", threads] if threads > 8 else []
    return [BIN / "uwsgi", "--http11-socket", f"127.0.0.1:{port}", "--tcp-nodelay",
            "--disable-logging", "--master", "--need-app", "--chdir", HERE, "-w",
            f"{module}:application", *pool]


def waitress(module, port, threads, folder):
    return [BIN / "waitress-serve", "--listen", f"127.0.0.1:{port}", "--threads", threads,
            "--connection-limit", "4000", f"{module}:application"]


def granian(module, port, threads, folder):
    pool = ["--blocking-threads", threads] if threads > 8 else []
    return [BIN / "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", port,
            "--workers", "1", "--no-log", *pool, f"{module}:application"]


def launched(name):
    def command(module, port, threads, folder):
        return [sys.executable, HERE / "launch.py", name, module, port, threads]
    return command


def nginx(module, port, threads, folder):
    for name, size in (("10k", 10240), ("100k", 102400)):
        Path(folder, name).write_bytes(b"x" * size)
    config = Path(folder, "nginx.conf")
    config.write_text(NGINX.format(folder=folder, port=port, kilobyte="x" * 1024))
    os.chmod(folder, 0o755)
    return ["/usr/sbin/nginx", "-p", folder, "-c", config]


def floor(size):
    def command(module, port, threads, folder):
        return [BUILD / "contrib/bench/gn_bench_floor", port, size]
    return command


COMMANDS = {
    "floor": floor(1024), "floor 10k": floor(10240), "floor 100k": floor(102400),
    "nginx": nginx, "gustnado native": native, "gustnado": gustnado,
    "gustnado tls": over_tls, "gunicorn": gunicorn,
    "uwsgi": uwsgi, "waitress": waitress, "granian": granian,
    "bjoern": launched("bjoern"), "fastwsgi": launched("fastwsgi"),
    "tornado": launched("tornado"),
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server. `cores` pins it; None leaves it to the scheduler."""

    def __init__(self, name, module="app_plain", threads=8, cores=None):
        self.name, self.port = name, free_port()
        self.speaks_tls = name.endswith(" tls")
        self.folder = tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)
        command = [str(part) for part in
                   COMMANDS[name](module, self.port, threads, self.folder.name)]
        if cores is not None:
            command = ["taskset", "-c", cores, *command]
        self.log = open(Path(self.folder.name, "log"), "w+b")
        self.process = subprocess.Popen(
            command, cwd=HERE, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True, env={**os.environ, "PYTHONPATH": str(HERE)})
        try:
            self._await_ready()
        except BaseException:
            self.stop()
            raise

    def _await_ready(self):
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                time.sleep(0.3)  # those with a master answer before their worker is up
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.log.seek(0)
                    text = self.log.read().decode(errors="replace")
                    raise RuntimeError(f"{self.name} does not start:\n{text}") from None
                time.sleep(0.05)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def family(self):
        pids, seen = [self.process.pid], []
        while pids:
            pid = pids.pop()
            seen.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    pids += [int(p) for p in task.read_text().split()]
                except OSError:
                    pass
        return seen

    def cpu_s(self):
        """CPU seconds used so far by the server's processes, user and system."""
        total = 0
        for pid in self.family():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            total += sum(int(f) for f in fields[11:15])  # with the children it has reaped
        return total * TICK_S

    def rss_bytes(self):
        total = 0
        for pid in self.family():
            try:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except OSError:
                pass
        return total * PAGE_BYTES

    def descriptors(self):
        """How many are open; each connection has one."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.family())

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(3)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.log.close()
        self.folder.cleanup()
