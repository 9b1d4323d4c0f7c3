# SPDX-License-Identifier: MIT
"""The Autobahn conformance cases, run by kosoku against a C echo handler."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from process import SLOW

pytestmark = pytest.mark.ours

FINE = {"OK", "INFORMATIONAL"}

# The cases about compression take minutes: one size of each stands for all.
# (kosoku fails by itself in some of the others: it hashes text.)
COMPRESSION = ["12.1.3", "12.1.11", "12.2.8", "12.3.8", "12.4.8", "13.*.3", "13.*.11"]


@pytest.fixture(scope="module")
def server(serve, base_dir):
    path = Path(base_dir, "contrib", "bench", "gn_bench_module.so")
    if not path.exists():
        pytest.skip(f"{path} was not built")
    return serve("--module", path)


def run_cases(server, folder, *selection):
    """Runs the selected cases; the name, the behaviour and the end of each."""
    command = [Path(os.environ["GN_E2E_VENV"], "bin", "kosoku"), "-m", "fuzzingclient",
               f"127.0.0.1:{server.port}/ws", "-p", "1", "-o", folder, *selection]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300 * SLOW)
    (cases,) = json.loads(Path(folder, "index.json").read_text()).values()
    assert cases, done.stdout + done.stderr
    return {name: (case["behavior"], case["behaviorClose"]) for name, case in cases.items()}


def failed(cases):
    return {name: how for name, how in cases.items() if not set(how) <= FINE}


def test_every_case_is_handled_as_the_protocol_says(server, tmp_path):
    cases = run_cases(server, tmp_path, "-x", "12.*", "-x", "13.*")
    assert not failed(cases)
    assert len(cases) > 290


def test_compressed_messages_are_handled_as_the_protocol_says(server, tmp_path):
    cases = run_cases(server, tmp_path,
                      *(word for pattern in COMPRESSION for word in ("-i", pattern)))
    assert not failed(cases)
    assert len(cases) > 15


def test_the_server_is_alive_after_them(server):
    assert server.alive()
