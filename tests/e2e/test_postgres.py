# SPDX-License-Identifier: MIT
"""Django on PostgreSQL: how many connections there are, and when they end."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_site import VERSIONS, Postgres, Site
from process import SLOW
from rawhttp import eventually

THREADS = 4


@pytest.fixture(scope="module")
def database():
    if Postgres.find() is None:
        pytest.skip("no PostgreSQL here: deploy/install-deps --test installs it")
    database = Postgres()
    yield database
    database.stop()


@pytest.fixture(scope="module", params=VERSIONS)
def site(request, database):
    name = f"django{request.param}"
    database.query(f'CREATE DATABASE "{name}"')
    return Site(request.param, database.folder, GN_TEST_PG_PORT=database.PORT, GN_TEST_PG_NAME=name)


def visit(server, path="/db/session?s=0.05", times=24, at_once=12):
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda _: server.get(path).json(), range(times)))


def test_connections_end_with_their_requests(site, database):
    """Django's default, CONN_MAX_AGE 0: also behind views that fail and streams that are cut."""
    with site.serve(threads=THREADS) as server:
        seen = visit(server)
        assert len({answer["session"] for answer in seen}) == 24
        assert server.request("POST", "/db/groups?name=x&n=1&fail=1").status == 500
        assert server.request("POST", "/db/groups?name=x&n=1").json() == {"count": 1}
        with server.connect() as conn:
            conn.start("GET", "/db/stream")
            conn.final_head()
            conn.reset()
        assert eventually(lambda: database.sessions() == 0, 10 * SLOW)


@pytest.mark.smoke
def test_persistent_connections_are_bounded_by_threads(site, database):
    env = {"GN_TEST_CONN_MAX_AGE": "600"}
    with site.serve("--threads", f"{THREADS}:{THREADS}", env=env, threads=THREADS) as server:
        sessions = {}
        for answer in visit(server) + visit(server):
            sessions.setdefault(answer["thread"], set()).add(answer["session"])
        assert 1 < len(sessions) <= THREADS
        assert all(len(of_thread) == 1 for of_thread in sessions.values()), sessions
        assert 0 < database.sessions() <= THREADS
    assert eventually(lambda: database.sessions() == 0, 10 * SLOW)


def test_a_connection_that_broke_is_made_anew(site, database):
    """The database was started again: health checks find it out."""
    with site.serve(env={"GN_TEST_CONN_MAX_AGE": "600"}, threads=1) as server:
        first = server.get("/db/session").json()["session"]
        assert database.query(f"SELECT pg_terminate_backend({first})")
        assert eventually(lambda: database.sessions() == 0, 10 * SLOW)
        again = server.get("/db/session").json()["session"]
        assert again != first


def test_transactions_and_concurrent_writers(site):
    with site.serve(threads=8) as server:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(
                lambda n: server.request("POST", f"/db/groups?name=many&n={n}").status, range(32)))
        assert answers == [200] * 32
        assert server.get("/db/groups?name=many").json() == {"count": 32}
        assert server.request("POST", "/db/groups?name=many&n=0").status == 500  # not unique
        assert server.get("/db/groups?name=many").json() == {"count": 32}


def test_database_sleeps_hold_no_gil(site):
    """Eight queries of 0.3 s each at once: threads wait in libpq, not for one another."""
    with site.serve(threads=8) as server:
        visit(server, "/db/session?s=0.01")
        began = time.monotonic()
        visit(server, "/db/session?s=0.3", times=8, at_once=8)
        assert time.monotonic() - began < 1.5 * SLOW


def test_retired_threads_take_their_connections_along(site, database):
    with site.serve("--threads", f"1:{THREADS}", "--thread-idle", "1",
                    env={"GN_TEST_CONN_MAX_AGE": "600"}) as server:
        visit(server)
        assert database.sessions() > 1
        assert eventually(lambda: database.sessions() <= 1, 15 * SLOW, 0.2), database.sessions()
        assert server.get("/db/session").status == 200
