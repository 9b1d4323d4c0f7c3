# SPDX-License-Identifier: MIT
"""slowhttptest's four attacks, and a normal client beside them."""

import shutil
import socket
import subprocess
import threading
import time

from load import percentile

CONNECTIONS = 1000
WARM_UP_S = 3  # 500 connections a second
MODES = {
    "slow heads (-H)": ("/1k", ["-H", "-i", "1", "-x", "24", "-t", "GET"]),
    "slow bodies (-B)": ("/echo", ["-B", "-i", "1", "-s", "8192", "-t", "POST"]),
    "slow reads (-X)": ("/native/100k", ["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32",
                                         "-k", "3"]),
    "ranges (-R)": ("/native/100k", ["-R", "-a", "10", "-b", "3000", "-t", "HEAD"]),
}


class Attack(threading.Thread):
    """slowhttptest with all of its connections open, begun anew when they were all served."""

    def __init__(self, server, mode):
        super().__init__(daemon=True)
        path, words = MODES[mode]
        program = shutil.which("slowhttptest")
        if program is None:
            raise RuntimeError("slowhttptest is not installed")
        self.command = [program, "-c", str(CONNECTIONS), "-r", "500", "-l", "60", *words,
                        "-u", server.url(path)]
        self.ending, self.process = threading.Event(), None
        self.start()
        time.sleep(WARM_UP_S)

    def run(self):
        while not self.ending.is_set():
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while self.process.poll() is None and not self.ending.wait(0.05):
                pass
            if self.process.poll() is None:
                self.process.terminate()
            if self.process.wait() > 0:
                return  # wrong words; the number of connections tells

    def stop(self):
        self.ending.set()
        self.join()


class NormalClients:
    """Eight clients that ask, read and pause for two milliseconds, on connections they keep."""

    def __init__(self, server, path="/1k", count=8):
        self.server, self.path, self.count = server, path, count
        self.times, self.errors = [], 0

    def _ask(self, end):
        request = f"GET {self.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", self.server.port), 10) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (start := time.perf_counter()) < end:
                sock.sendall(request)
                seen = b""
                while not seen.endswith(b"x" * 1024):
                    data = sock.recv(65536)
                    if not data:
                        raise OSError("closed")
                    seen += data
                if not seen.startswith(b"HTTP/1.1 200 "):
                    raise OSError(seen[:20])
                self.times.append((time.perf_counter() - start) * 1e3)
                time.sleep(0.002)

    def _client(self, end):
        try:
            self._ask(end)
        except OSError:
            self.errors += 1

    def run(self, seconds):
        end = time.perf_counter() + seconds
        threads = [threading.Thread(target=self._client, args=(end,)) for _ in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"rate": len(self.times) / seconds, "p50": percentile(self.times, 0.5),
                "p99": percentile(self.times, 0.99), "errors": self.errors}
