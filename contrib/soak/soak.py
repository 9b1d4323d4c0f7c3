# SPDX-License-Identifier: MIT
"""Runs the soak: see contrib/soak/run."""

import argparse
import collections
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import clients

CLIENTS = 16
WORKERS = 8
WARM_UP = 0.3  # of the whole time: caches and pools fill
RISE_LIMIT = 2 << 20  # of resident memory over the rest, by the line through its samples
SHARE_LIMIT = 0.02  # or this share, should it be more
BAD_MARKS = ("panic", "CRITICAL", "Sanitizer", "runtime error:", "broken contract")


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rate", type=float, default=120)
    parser.add_argument("--program", type=Path)
    parser.add_argument("--keep-log", type=Path)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", help="names of operations, with commas between")
    options = parser.parse_args()
    options.seconds = options.seconds or 60 * options.minutes
    options.program = options.program or newest(options.root)
    return options


def newest(root):
    built = sorted(root.glob("build/*/deploy/program/gustnado"), key=os.path.getmtime)
    if not built:
        sys.exit("soak: no program; build it first or name it with --program")
    return built[-1]


class Server:
    """The program with TLS on a port and plain HTTP on a Unix socket."""

    def __init__(self, options, folder):
        self.path = f"{folder}/soak.sock"
        self.log_path = f"{folder}/log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=soak", "-addext",
             "keyUsage=critical,digitalSignature,keyCertSign", "-keyout", f"{folder}/key",
             "-out", f"{folder}/cert"], check=True, capture_output=True)
        self.context = ssl.create_default_context(cafile=f"{folder}/cert")
        self.context.check_hostname = False
        program = options.program.read_bytes()
        self.is_sanitized = b"__asan_init" in program or b"__tsan_init" in program
        build = options.program.resolve().parents[2]
        here = options.root / "contrib/soak"
        command = [options.program, "--bind", f"127.0.0.1:{self.port}", "--bind",
                   f"unix:{self.path}", "--certfile", f"{folder}/cert", "--keyfile",
                   f"{folder}/key", "--threads", f"{WORKERS}:{WORKERS}", "--timeout", "3",
                   "--chdir", here, "--venv", "", "--mount", "/=app:application", "--mount",
                   "/streamed=app:application", "--request-buffering", "/streamed=off",
                   "--module", build / "contrib/bench/gn_bench_module.so"]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_ready()

    def wait_ready(self):
        for _ in range(1000):
            try:
                self.plain().close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.02)
        sys.exit(f"soak: the server did not start:\n{self.log()}")

    def plain(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(60)
        sock.connect(self.path)
        return sock

    def tls(self):
        sock = socket.create_connection(("127.0.0.1", self.port), 60)
        return self.context.wrap_socket(sock)

    def log(self):
        return Path(self.log_path).read_text("utf-8", "replace")

    def resident(self):
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_s(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Load:
    """Clients that together do `rate` operations per second, each chosen by chance."""

    def __init__(self, server, rate, seed, mix):
        self.server, self.rate, self.seed, self.mix = server, rate, seed, mix
        self.lock = threading.Lock()
        self.done = collections.Counter()
        self.wrong = collections.defaultdict(list)
        self.longest = collections.Counter()
        self.stop = threading.Event()

    def note(self, name, began, problem=None):
        with self.lock:
            self.done[name] += 1
            self.longest[name] = max(self.longest[name], time.monotonic() - began)
            if problem is not None:
                self.wrong[name].append(problem)

    def client(self, number):
        chance = random.Random(f"{self.seed}-{number}")
        kinds, weights = list(self.mix), list(self.mix.values())
        while not self.stop.is_set():
            kind = chance.choices(kinds, weights)[0]
            connect = self.server.tls if chance.random() < 0.2 else self.server.plain
            began = time.monotonic()
            problem = None
            try:
                kind(chance, connect)
            except (AssertionError, OSError, ValueError, LookupError) as e:
                problem = f"{type(e).__name__}: {e}"
            self.note(kind.__name__, began, problem)
            pause = chance.expovariate(self.rate / CLIENTS) - (time.monotonic() - began)
            self.stop.wait(max(pause, 0))

    def run(self, seconds, every_second):
        threads = [threading.Thread(target=self.client, args=(i,)) for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            every_second()
            time.sleep(min(1, max(0, end - time.monotonic())))
        self.stop.set()
        for thread in threads:
            thread.join()


def slope(samples):
    """Least squares: bytes per second."""
    n = len(samples)
    mean_t = sum(t for t, _ in samples) / n
    mean_m = sum(m for _, m in samples) / n
    spread = sum((t - mean_t) ** 2 for t, _ in samples)
    return sum((t - mean_t) * (m - mean_m) for t, m in samples) / spread if spread else 0.0


def settle(look, wanted, within=30):
    """Waits until look() is at most `wanted`; returns its last value."""
    end = time.monotonic() + within
    while (value := look()) > wanted and time.monotonic() < end:
        time.sleep(0.1)
    return value


def every_worker(server):
    """As many calls as there are workers, which wait for each other: how many met.

    Before that the view is made known as a cheap one, for which no worker is held back.
    """
    met = []

    def call(n, into):
        with server.plain() as sock:
            sock.sendall(clients.get(f"/meet?n={n}"))
            into.append(clients.expect(clients.Reader(sock), 200) == b"met")

    for _ in range(50):
        call(1, [])
    threads = [threading.Thread(target=call, args=(WORKERS, met)) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(met)


def table(load, seconds):
    print(f"\n{'operation':<16} {'done':>8} {'wrong':>6} {'longest':>9}")
    for name in (kind.__name__ for kind in load.mix):
        print(f"{name:<16} {load.done[name]:>8} {len(load.wrong[name]):>6} "
              f"{load.longest[name]:>7.2f} s")
    print(f"{'all':<16} {sum(load.done.values()):>8} {sum(map(len, load.wrong.values())):>6}  "
          f"in {seconds:.0f} s")
    for name, problems in load.wrong.items():
        for problem in problems[:3]:
            print(f"  {name}: {problem}")


class Verdict:
    def __init__(self):
        self.all_hold = True

    def say(self, holds, what, facts):
        self.all_hold = self.all_hold and holds
        print(f"{'ok' if holds else 'FAILED':<7} {what:<22} {facts}")


def judge(server, load, samples, fds_before, options):
    verdict = Verdict()
    wrong = sum(map(len, load.wrong.values()))
    verdict.say(wrong == 0, "answers", f"{wrong} of {sum(load.done.values())} wrong")

    settled = [s for s in samples if s[0] >= options.seconds * WARM_UP]
    rise = slope(settled) * (settled[-1][0] - settled[0][0])
    limit = max(RISE_LIMIT, SHARE_LIMIT * settled[0][1])
    tenths = [samples[i * (len(samples) - 1) // 10][1] / 2**20 for i in range(11)]
    print("resident, in tenths of the time: " + " ".join(f"{mib:.1f}" for mib in tenths) + " MiB\n")
    verdict.say(rise <= limit or server.is_sanitized, "memory",
                f"{samples[0][1] / 2**20:.1f} MiB at the start, {settled[0][1] / 2**20:.1f} when "
                f"warm, {settled[-1][1] / 2**20:.1f} at the end; the line rises {rise / 1024:.0f} "
                f"KiB, {slope(settled) * 60 / 1024:.0f} KiB a minute (limit "
                f"{limit / 1024:.0f} KiB in all)" +
                (": not judged, a sanitizer keeps what is freed" if server.is_sanitized else ""))

    workers = every_worker(server)
    verdict.say(workers == WORKERS, "workers", f"{workers} of {WORKERS} answer at once")
    fds = settle(server.descriptors, fds_before)
    verdict.say(fds <= fds_before, "descriptors", f"{fds_before} before, {fds} after")

    log = server.log()
    raised, errors = log.count("LookupError: meant to fail"), load.done["error"]
    marks = [mark for mark in BAD_MARKS if mark in log]
    verdict.say(not marks and raised == errors, "log", f"{len(log.splitlines())} lines, {raised} "
                f"exceptions of {errors} meant" + "".join(f", '{mark}'" for mark in marks))

    server.process.send_signal(signal.SIGTERM)
    try:
        code = server.process.wait(60)
    except subprocess.TimeoutExpired:
        server.process.kill()
        code = "no end within 60 s"
    verdict.say(code == 0, "end", f"exit status {code}")
    return verdict.all_hold


def main():
    options = parse()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    with tempfile.TemporaryDirectory(prefix="gustnado-soak-") as folder:
        server = Server(options, folder)
        fds_before = server.descriptors()
        samples, began = [], time.monotonic()
        only = options.only.split(",") if options.only else None
        load = Load(server, options.rate, seed, {
            kind: n for kind, n in clients.MIX.items() if only is None or kind.__name__ in only})
        print(f"soak: {options.program}, {options.seconds:.0f} s, {options.rate:g} operations a "
              f"second by {CLIENTS} clients, seed {seed}", flush=True)
        try:
            load.run(options.seconds,
                     lambda: samples.append((time.monotonic() - began, server.resident())))
            cpu = server.cpu_s()
            table(load, options.seconds)
            print(f"the server used {cpu:.0f} s of CPU, {cpu / options.seconds:.2f} of a core\n")
            holds = judge(server, load, samples, fds_before, options)
            if not holds:
                print("\nthe end of the server's log:\n" + server.log()[-4000:])
            if options.keep_log:
                options.keep_log.write_text(server.log())
        finally:
            if server.process.poll() is None:
                server.process.kill()
    print("soak: passed" if holds else "soak: FAILED")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
