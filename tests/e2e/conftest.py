# SPDX-License-Identifier: MIT
"""Fixtures of the end-to-end tests. tests/e2e/run sets the environment."""

import os

import pytest

from process import APPS, Server, is_peer


def pytest_configure(config):
    config.addinivalue_line("markers", "smoke: one of the few that stand for all")
    config.addinivalue_line("markers", "ours: says something only our program promises")


def pytest_collection_modifyitems(items):
    if is_peer():
        skip = pytest.mark.skip(reason="a promise of our program alone")
        for item in items:
            if item.get_closest_marker("ours"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def base_dir():
    """Where the build left the program's companions (modules for tests)."""
    return os.environ.get("GN_E2E_BUILD", "")


@pytest.fixture(scope="module")
def serve():
    """Starts servers that live as long as the module's tests: serve(application, options…).

    The same command line gives the same server. At the end each must stop
    cleanly, with no more descriptors than it started with.
    """
    running = {}

    def start(*options, fds=True, **kwargs):
        key = (options, tuple(sorted((k, str(v)) for k, v in kwargs.items())))
        if key not in running or not running[key][0].alive():
            running[key] = Server(*options, **kwargs), fds
        return running[key][0]

    yield start
    problems = []
    for server, fds in running.values():
        if fds and not is_peer() and server.alive() and not server.fds_return():
            problems.append(f"{server.fds()} descriptors, {server.fds_at_start} at the start")
        try:
            server.stop()
        except AssertionError as problem:
            problems.append(str(problem))
        finally:
            server.kill()
    assert not problems, "\n".join(problems)


@pytest.fixture
def apps():
    return APPS


def pytest_unconfigure(config):
    """The last line of a run says `N passed, N failed`."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    passed = len(reporter.stats.get("passed", []))
    skipped = len(reporter.stats.get("skipped", []))
    failed = len(reporter.stats.get("failed", [])) + len(reporter.stats.get("error", []))
    tail = f", {skipped} skipped" if skipped else ""
    reporter.write_line(f"{passed} passed, {failed} failed{tail}")
