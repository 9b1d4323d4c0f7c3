# SPDX-License-Identifier: MIT
"""Rows 11 and 29: disks that are full, logs that move.

(Standard streams that are closed or that nobody reads: ../test_program.py.)
"""

import os
import signal
import time

import pytest

from load import under_load
from process import SANITIZER, SLOW, Server
from rawhttp import eventually


def free_bytes(folder):
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


@pytest.mark.skipif(SANITIZER == "thread", reason="it keeps a file in $TMPDIR that fills the disk")
def test_row11_a_full_disk_refuses_the_one_body(everything, small_disk):
    """Bodies that fit are served before, beside and after; no file and no descriptor stays."""
    with Server(*everything, threads="4:4", env={"TMPDIR": str(small_disk)}) as server:
        before = free_bytes(small_disk)
        with under_load(server, spools=False):
            for _ in range(10):
                with server.connect() as conn:
                    try:
                        conn.start("POST", "/big", body=b"x" * (1 << 20))
                    except OSError:
                        pass  # refused before all was sent
                    response = conn.read()
                    assert response.status in (500, 507) and response.complete
                    assert response.get("Connection") == "close"
                assert server.request("POST", "/fits", body=b"x" * 100000).status == 200
        assert eventually(lambda: free_bytes(small_disk) == before, 5 * SLOW)


def test_row11_a_full_disk_under_the_access_log_stops_nobody(everything, small_disk):
    """Lines are lost while it is full; once there is room they come again."""
    log, filler = small_disk / "access.log", small_disk / "filler"
    with Server(*everything, "--access-logfile", log, threads="4:4") as server:
        with under_load(server) as load:
            with open(filler, "wb", buffering=0) as file:
                try:
                    while file.write(b"x" * 4096):
                        pass
                except OSError:
                    pass
            assert free_bytes(small_disk) == 0
            load.go_on(20)
            filler.unlink()
            server.get("/load/after-the-flood")
            assert eventually(lambda: "after-the-flood" in log.read_text(), 5 * SLOW)


def test_row29_a_log_that_is_rotated_loses_no_line(everything, tmp_path):
    log = tmp_path / "access.log"
    with Server(*everything, "--access-logfile", log, threads="4:4") as server:
        with under_load(server) as load:
            for n in range(5):
                load.go_on(5)
                log.rename(tmp_path / f"access.log.{n}")
                server.signal(signal.SIGUSR1)
                assert eventually(log.exists, 5 * SLOW)
    logged = "".join(path.read_text() for path in tmp_path.iterdir())
    assert [token for token in load.tokens if logged.count(f"GET /load/{token}?") != 1] == []


def test_row29_a_log_that_is_removed_is_opened_anew(everything, tmp_path):
    log = tmp_path / "access.log"
    with Server(*everything, "--access-logfile", log, threads="4:4") as server:
        with under_load(server) as load:
            log.unlink()
            load.go_on()
            server.signal(signal.SIGUSR1)
            assert eventually(lambda: log.exists() and lines_of(log, " 200 "), 5 * SLOW)


def test_row29_a_log_that_cannot_be_opened_anew_stops_nobody(everything, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "access.log"
    with Server(*everything, "--access-logfile", log, threads="4:4") as server:
        with under_load(server) as load:
            folder.rename(tmp_path / "moved")
            server.signal(signal.SIGUSR1)
            load.go_on(5)
            assert server.logs("access.log")
            (tmp_path / "moved").rename(folder)
            server.signal(signal.SIGUSR1)
            time.sleep(0.1)
            size = log.stat().st_size
            assert eventually(lambda: log.stat().st_size > size, 5 * SLOW)


def lines_of(path, text):
    return sum(text in line for line in path.read_text().splitlines())
