# SPDX-License-Identifier: MIT
"""Fixtures of the fault suite."""

import os
import subprocess
from pathlib import Path

import pytest

from process import is_peer

PATIENCE = ["--timeout", "--queue-timeout", "--keep-alive", "--header-timeout", "--body-timeout",
            "--body-rate-after", "--write-timeout", "--ws-ping-timeout"]
LONG = bool(os.environ.get("GN_E2E_FAULTS_LONG"))  # tests/e2e/run --faults-long


def pytest_collection_modifyitems(items):
    here = str(Path(__file__).parent)
    for item in items:
        if is_peer() and str(item.path).startswith(here):
            item.add_marker(pytest.mark.skip(reason="a promise of our program alone"))


@pytest.fixture(scope="session")
def everything(base_dir):
    """The options that have a server serve all that the load asks for.

    Deadlines are far away, unless a test names them: a machine that stops everybody for a minute
    is not the fault that it looks into.
    """
    module = Path(base_dir, "contrib", "bench", "gn_bench_module.so")
    if not module.exists():
        pytest.skip(f"{module} was not built")
    return ["--module", str(module), "--mount", "/slow=slow:application",
            "--mount", "/careless=careless:application", "echo:application",
            *(word for name in PATIENCE for word in (name, "300"))]


@pytest.fixture
def server(serve, everything):
    """The server that a file's tests share: four workers that are always there."""
    return serve(*everything, threads="4:4")


@pytest.fixture(scope="session")
def is_long():
    return LONG


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for localhost that vouches for itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


@pytest.fixture
def small_disk(tmp_path):
    """A folder that holds 256 KiB; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=1777", "gn-faults", folder],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small disk: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
