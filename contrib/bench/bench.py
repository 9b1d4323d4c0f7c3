# SPDX-License-Identifier: MIT
"""Measures Gustnado beside its peers, in one run, round by round in turn.

Every measurement starts all its servers, then lets each have one round after
the other, several times; what is reported is the median of a server's rounds.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import report
import slow_clients
from load import POST, Tricklers, WebSocketPings, Wrk, idle_bytes, measure
from servers import COMMANDS, HERE, Server

SERVER_CORE, LOAD_CORE = "0", "1"
WSGI = ["gustnado", "gunicorn", "uwsgi", "waitress", "bjoern", "granian", "fastwsgi", "tornado"]
POOLS = ["gustnado", "gunicorn", "uwsgi", "waitress", "granian", "tornado"]
FAST = ["floor", "nginx", "gustnado native", *WSGI]
WEBSOCKET_HELLO = (b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")


def path_of(name, path):
    """The same body from C where the server's C part is measured."""
    return "/native" + path if name == "gustnado native" else path


class Bench:
    """What the measurements share: how long, how often, where results go."""

    def __init__(self, options):
        self.seconds = 1 if options.quick else options.seconds
        self.rounds = 1 if options.quick else options.rounds
        self.servers = options.servers
        self.results = {}
        self.folder = tempfile.TemporaryDirectory(prefix="bench-load-")
        self.post = Path(self.folder.name, "post.lua")
        self.post.write_text(POST)

    def start(self, names, **kwargs):
        """Starts servers; one that does not start is reported and left out."""
        running = {}
        for name in names:
            if self.servers and name.split(" ")[0] not in self.servers:
                continue
            try:
                running[name] = Server(name, **kwargs)
            except (RuntimeError, FileNotFoundError) as problem:
                print(f"  {name}: {str(problem).strip().splitlines()[-1]}", flush=True)
        return running

    def interleave(self, title, servers, one_round):
        """Rounds in turn; one_round(name, server) returns numbers by name."""
        runs = {name: [] for name in servers}
        for _ in range(self.rounds):
            for name, server in servers.items():
                try:
                    runs[name].append(one_round(name, server))
                except (RuntimeError, OSError) as problem:
                    print(f"  {name}: {problem}", flush=True)
        table = {name: medians(rounds) for name, rounds in runs.items() if rounds}
        self.results[title] = table
        report.print_table(title, table)

    # The measurements; each is chosen by its name.

    def requests(self):
        """GET of 1 KiB over 1, 64 and 512 connections, server and load on a core each"""
        servers = self.start(FAST, cores=SERVER_CORE)
        with stopping(servers):
            for count, noun in ((64, "connections"), (1, "connection"), (512, "connections")):
                self.interleave(f"1 KiB, {count} {noun}", servers, lambda n, s: measure(
                    s, path_of(n, "/1k"), count, self.seconds, LOAD_CORE))

    def sizes(self):
        """GET of 10 and 100 KiB and POST of 10 KiB, 64 connections, a core each"""
        for size in ("10k", "100k"):
            servers = self.start([f"floor {size}", *FAST[1:]], cores=SERVER_CORE)
            with stopping(servers):
                self.interleave(f"{size.replace('k', ' KiB')}, 64 connections", servers,
                                lambda n, s: measure(s, path_of(n, "/" + size), 64, self.seconds,
                                                     LOAD_CORE))
        servers = self.start(WSGI, cores=SERVER_CORE)
        with stopping(servers):
            self.interleave("POST echo 10 KiB, 64 connections", servers, lambda _, s: measure(
                s, "/echo", 64, self.seconds, LOAD_CORE, self.post))

    def unpinned(self):
        """GET of 1 KiB over 64 connections, the scheduler places everything"""
        servers = self.start(FAST)
        with stopping(servers):
            self.interleave("1 KiB, 64 connections, unpinned", servers,
                            lambda n, s: measure(s, path_of(n, "/1k"), 64, self.seconds))

    def frameworks(self):
        """A Flask and a Django hello, 64 connections, a core each"""
        for name in ("flask", "django"):
            servers = self.start(WSGI, cores=SERVER_CORE, module=f"app_{name}")
            with stopping(servers):
                self.interleave(f"{name.title()} hello, 64 connections", servers,
                                lambda _, s: measure(s, "/hello", 64, self.seconds, LOAD_CORE))

    def waiting(self):
        """A view that waits 10 ms: 64 workers, 256 connections"""
        servers = self.start(POOLS, threads=64, cores=SERVER_CORE)
        with stopping(servers):
            self.interleave("waits 10 ms, 64 workers, 256 connections", servers, lambda _, s:
                            measure(s, "/sleep10", 256, self.seconds, LOAD_CORE))

    def mixed(self):
        """A fast view (4 clients) beside a slow one (32 clients), 16 workers, plain and Django"""
        for title, module, fast, slow in (
                ("fast beside one that sleeps 50 ms", "app_plain", "/fast", "/sleep50"),
                ("fast beside one that burns 5 ms", "app_plain", "/fast", "/burn5"),
                ("Django: cached page beside a slow report", "app_django", "/page", "/report")):
            servers = self.start(POOLS, threads=16, module=module)
            with stopping(servers):
                self.interleave(title, servers, lambda _, s: self._beside(s, fast, slow))

    def _beside(self, server, fast, slow):
        """Both views, after a second in which the server gets to know them."""
        seconds = max(self.seconds, 2)
        other = Wrk(server.url(slow), 32, seconds + 2)
        Wrk(server.url(fast), 4, 1).result()
        seen = measure(server, fast, 4, seconds)
        slow_seen = other.result()
        del seen["cpu_us"]  # it paid for both views
        seen.update(slow_rate=slow_seen["rate"], slow_p99=slow_seen["p99"])
        return seen

    def apart(self):
        """Native and WebSocket latency while 64 slow views block every Python worker"""
        servers = self.start(["gustnado native"], threads=64, cores=SERVER_CORE)
        with stopping(servers):
            for what, run in (("native", self._native_ping), ("WebSocket", self._websocket_ping)):
                self.interleave(f"{what} p99, workers idle", servers, lambda _, s: run(s))
                self.interleave(f"{what} p99, workers blocked", servers,
                                lambda _, s: self._blocked(s, run))

    def _native_ping(self, server):
        return measure(server, "/native/1k", 4, self.seconds, LOAD_CORE)

    def _websocket_ping(self, server):
        pings = WebSocketPings(server.port, "/ws")
        try:
            return pings.run(self.seconds)
        finally:
            pings.close()

    def _blocked(self, server, run):
        blockers = Wrk(server.url("/sleep200"), 64, self.seconds + 1, LOAD_CORE)
        try:
            return run(server)
        finally:
            blockers.result()

    def trickle(self):
        """A normal request while 1 000 clients trickle bytes, 4 workers"""
        servers = self.start(["gustnado", "gunicorn", "waitress"], threads=4)
        with stopping(servers):
            self.interleave("1 KiB, 8 connections, alone", servers,
                            lambda _, s: measure(s, "/1k", 8, self.seconds))
            self.interleave("1 KiB, 8 connections, 1000 trickling", servers,
                            lambda _, s: self._trickled(s))

    def _trickled(self, server):
        tricklers = Tricklers(server.port, 1000)
        tricklers.start()
        try:
            return measure(server, "/1k", 8, self.seconds)
        finally:
            tricklers.stop()

    def slow(self):
        """Normal clients while slowhttptest holds 1 000 connections, in its four modes, 4 workers"""
        servers = self.start(["gustnado native"], threads=4)
        others = self.start(["gustnado native"], threads=4)
        with stopping(servers), stopping(others):
            self.interleave("normal clients, alone", servers, lambda _, s:
                            slow_clients.NormalClients(s).run(self.seconds))
            for mode in slow_clients.MODES:
                self.interleave(f"normal clients, 1000 {mode}", servers,
                                lambda n, s: self._attacked(s, others[n], mode))

    def _attacked(self, server, other, mode):
        """The attacker takes its share of the machine too: first it attacks somebody else."""
        attack = slow_clients.Attack(other, mode)
        try:
            beside = slow_clients.NormalClients(server).run(self.seconds)
        finally:
            attack.stop()
        before, open_before = server.rss_bytes(), server.descriptors()
        attack = slow_clients.Attack(server, mode)
        try:
            seen = slow_clients.NormalClients(server).run(self.seconds)
            seen["p99_other"] = beside["p99"]
            seen["open"] = server.descriptors() - open_before
            seen["rss_grown"] = server.rss_bytes() - before
            return seen
        finally:
            attack.stop()

    def idle(self):
        """Memory for each of 10 000 idle connections (5 000 over TLS), fresh servers each round"""
        page = (b"GET /native/1k HTTP/1.1\r\nHost: x\r\n\r\n", b"x" * 1024)
        handshake = (WEBSOCKET_HELLO, b"\r\n\r\n")
        for kind, name, count, exchange in (
                ("idle keep-alive", "gustnado native", 10000, page),
                ("idle WebSocket", "gustnado native", 10000, handshake),
                ("idle keep-alive over TLS", "gustnado tls", 5000, page),
                ("idle WebSocket over TLS", "gustnado tls", 5000, handshake)):
            self.interleave(kind, {name: None}, lambda n, _: self._idle(n, count, *exchange))

    def _idle(self, name, count, opening, answer_has):
        room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500
        if room < count:
            raise RuntimeError(f"{count} connections need as many descriptors (ulimit -n)")
        servers = self.start([name], threads=4)
        with stopping(servers):
            if name not in servers:
                raise RuntimeError("not measured")
            return {"bytes": idle_bytes(servers[name], count, opening, answer_has)}


MEASUREMENTS = ["requests", "sizes", "unpinned", "frameworks", "waiting", "mixed", "apart",
                "trickle", "slow", "idle"]


class stopping:
    """Stops the servers at the end of a with block."""

    def __init__(self, servers):
        self.servers = servers

    def __enter__(self):
        return self.servers

    def __exit__(self, *_):
        for server in self.servers.values():
            server.stop()


def medians(rounds):
    """The median of each number over the rounds."""
    out = {}
    for key in rounds[0]:
        values = [r[key] for r in rounds if r.get(key) is not None]
        out[key] = statistics.median(values) if values else None
    return out


def machine():
    """What the numbers were measured on."""
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), platform.machine())
    versions = {}
    for name in ("gunicorn", "pyuwsgi", "waitress", "bjoern", "granian", "fastwsgi", "tornado",
                 "flask", "django"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    for name, command in (("nginx", ["/usr/sbin/nginx", "-v"]), ("wrk", ["wrk", "-v"]),
                          ("gustnado", [COMMANDS["gustnado"]("x", 0, 1, "")[0], "--version"])):
        try:
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
            versions[name] = (done.stdout + done.stderr).strip().splitlines()[0]
        except (OSError, IndexError):
            pass
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(),
            "python": platform.python_version(), "versions": versions}


def main():
    parser = argparse.ArgumentParser(
        prog="contrib/bench/run", description=__doc__,
        epilog="measurements: " + "; ".join(f"{n}: {getattr(Bench, n).__doc__}"
                                            for n in MEASUREMENTS))
    parser.add_argument("--json", metavar="FILE", help="writes all numbers there")
    parser.add_argument("--plot", metavar="FILE", help="where the PNG goes", default="bench.png")
    parser.add_argument("--only", metavar="NAME", action="append", choices=MEASUREMENTS)
    parser.add_argument("--servers", metavar="A,B", type=lambda text: set(text.split(",")),
                        help="only these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each round")
    parser.add_argument("--quick", action="store_true", help="one round of a second each")
    options = parser.parse_args()

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    bench = Bench(options)
    where = machine()
    print(f"{where['cpu']}, {where['cores']} cores, Linux {where['kernel']}, "
          f"Python {where['python']}")
    for name in options.only or MEASUREMENTS:
        print(f"\n{getattr(Bench, name).__doc__}", flush=True)
        getattr(bench, name)()
    budgets = report.budgets(bench.results)
    report.print_budgets(budgets)
    if options.json:
        Path(options.json).write_text(json.dumps(
            {"machine": where, "rounds": bench.rounds, "seconds": bench.seconds,
             "results": bench.results, "budgets": budgets}, indent=1) + "\n")
    if report.plot(bench.results, options.plot):
        print(f"\nplot: {options.plot}")
    return 0


if __name__ == "__main__":
    os.chdir(os.environ.get("GN_BENCH_CWD", HERE))
    sys.exit(main())
