# SPDX-License-Identifier: MIT
"""PEP 3333, clause by clause, on the wire. The application is tests/apps/conformance.py."""

import hashlib
import itertools
import threading

import pytest

from rawhttp import chunked, encode, eventually

ids = itertools.count()


@pytest.fixture(scope="module")
def server(serve):
    return serve("conformance:application")


@pytest.fixture
def call(server):
    """Calls a case and reads its notes: call(case, **query) -> (response, notes)."""
    def run(name, method="GET", body=None, headers=(), reuse=True, **query):
        key = f"n{next(ids)}"
        text = "&".join(f"{k}={v}" for k, v in {**query, "id": key}.items())
        with server.connect() as conn:
            response = conn.request(method, f"/{name}?{text}", headers, body)
            if response.complete and response.framing in ("length", "chunked") and reuse:
                if "close" not in response.get("Connection", ""):
                    assert conn.get("/").text == "ok\n", "the connection is out of step"

        def notes():
            return server.get(f"/notes?id={key}").json()
        return response, notes
    return run


def settled(notes, **wanted):
    """True once the notes say what is wanted (close() may come after the response)."""
    return eventually(lambda: all(notes().get(k) == v for k, v in wanted.items()), 5)


def failed(response):
    return response.status == 500 and response.complete


# environ


def dump(server, target="/environ_dump", headers=(), method="GET", body=None):
    return server.request(method, target, headers, body).json()


def test_environ_is_a_builtin_dict_of_native_strings(server):
    seen = dump(server)
    assert seen["dict"] and seen["keys_are_str"]
    for name in ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_NAME",
                 "SERVER_PORT", "SERVER_PROTOCOL", "HTTP_HOST", "wsgi.url_scheme"):
        assert seen["types"][name] == "str", name


@pytest.mark.smoke
def test_environ_required_variables(server):
    seen = dump(server)["environ"]
    assert seen["REQUEST_METHOD"] == "GET"
    assert seen["SCRIPT_NAME"] == ""
    assert seen["PATH_INFO"] == "/environ_dump"
    assert seen["QUERY_STRING"] == ""
    assert seen["SERVER_NAME"]
    assert seen["SERVER_PORT"] == str(server.port)
    assert seen["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
    assert seen["HTTP_HOST"] == "test.example"


def test_environ_wsgi_variables(server):
    seen = dump(server)
    values, types = seen["environ"], seen["types"]
    assert types["wsgi.version"] == "tuple" and values["wsgi.version"] == [1, 0]
    assert values["wsgi.url_scheme"] == "http"
    assert values["wsgi.multithread"] is True
    assert values["wsgi.multiprocess"] is False
    assert values["wsgi.run_once"] is False
    assert values["wsgi.input_terminated"] is True
    for name in ("wsgi.input", "wsgi.errors", "wsgi.file_wrapper"):
        assert name in types


def test_content_type_and_length_without_http_prefix(server):
    seen = dump(server, method="POST", body=b"12345", headers=[("Content-Type", "text/x")])
    assert seen["environ"]["CONTENT_TYPE"] == "text/x"
    assert seen["environ"]["CONTENT_LENGTH"] == "5"
    assert "HTTP_CONTENT_TYPE" not in seen["environ"]
    assert "HTTP_CONTENT_LENGTH" not in seen["environ"]


def test_absent_content_headers_are_absent_or_empty(server):
    seen = dump(server)["environ"]
    assert not seen.get("CONTENT_TYPE")
    assert not seen.get("CONTENT_LENGTH")


def test_server_protocol_of_an_old_client(server):
    with server.connect() as conn:
        seen = conn.request("GET", "/environ_dump", version="1.0").json()
    assert seen["environ"]["SERVER_PROTOCOL"] == "HTTP/1.0"


@pytest.mark.parametrize("target, path, query", [
    ("/environ_dump/a%20b", "/environ_dump/a b", ""),
    ("/environ_dump/caf%C3%A9", "/environ_dump/caf\u00c3\u00a9", ""),
    ("/environ_dump/%E2%82%AC", "/environ_dump/\u00e2\u0082\u00ac", ""),
    ("/environ_dump/%ff", "/environ_dump/\u00ff", ""),
    ("/environ_dump/a%2Fb", "/environ_dump/a/b", ""),
    ("/environ_dump/a+b", "/environ_dump/a+b", ""),
    ("/environ_dump/a;b=c", "/environ_dump/a;b=c", ""),
    ("/environ_dump?a=%20b&c=%C3%A9", "/environ_dump", "a=%20b&c=%C3%A9"),
    ("/environ_dump?a?b", "/environ_dump", "a?b"),
    ("/environ_dump?", "/environ_dump", ""),
    ("/environ_dump//x/../y/.", "/environ_dump//x/../y/.", ""),
    ("http://test.example/environ_dump/abs?q=1", "/environ_dump/abs", "q=1"),
])
def test_path_is_decoded_and_query_is_raw(server, target, path, query):
    seen = dump(server, target)["environ"]
    assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == (path, query)


@pytest.mark.ours
def test_raw_target_is_kept(server):
    seen = dump(server, "/environ_dump/a%2Fb?x=%20")["environ"]
    assert seen["REQUEST_URI"] == seen["RAW_URI"] == "/environ_dump/a%2Fb?x=%20"


def test_header_names_and_values(server):
    seen = dump(server, headers=[("X-Some-Thing", "  v w  "), ("X-Latin", "caf\xe9"),
                                 ("X-Empty", "")])["environ"]
    assert seen["HTTP_X_SOME_THING"] == "v w"
    assert seen["HTTP_X_LATIN"] == "caf\xe9"
    assert seen["HTTP_X_EMPTY"] == ""


def test_repeated_headers_are_joined(server):
    seen = dump(server, headers=[("X-Many", "a"), ("Accept", "b"), ("X-Many", "c"),
                                 ("Cookie", "k=1"), ("Accept", "d"), ("Cookie", "l=2")])["environ"]
    assert seen["HTTP_X_MANY"].replace(" ", "") == "a,c"
    assert seen["HTTP_ACCEPT"].replace(" ", "") == "b,d"


@pytest.mark.ours
def test_repeated_cookies_are_joined_by_semicolon(server):
    seen = dump(server, headers=[("Cookie", "k=1"), ("X-A", "b"), ("Cookie", "l=2")])["environ"]
    assert seen["HTTP_COOKIE"] == "k=1; l=2"


@pytest.mark.ours
def test_underscores_and_proxy_never_reach_environ(server):
    with server.connect() as conn:
        first = conn.get("/environ_dump", [("X_Forwarded_For", "evil"), ("Proxy", "http://evil")])
    if first.status == 200:
        seen = first.json()["environ"]
        assert "HTTP_X_FORWARDED_FOR" not in seen
        assert "HTTP_PROXY" not in seen
    else:
        assert first.status == 400


def test_environ_is_the_applications_to_change(server):
    with server.connect() as conn:
        assert conn.get("/environ_mutable").json() == {"stale": False}
        assert conn.get("/environ_mutable").json() == {"stale": False}
        assert conn.get("/").text == "ok\n"


def test_errors_stream_reaches_the_log(call, server):
    _, _ = call("errors_stream")
    key = f"n{next(ids)}"
    server.get(f"/errors_stream?id={key}")
    assert server.logs(f"third {key}")
    output = server.output()
    assert f"first {key} caf" in output
    assert output.index(f"first {key}") < output.index(f"second {key}") < output.index(f"third {key}")


@pytest.mark.smoke
def test_calls_overlap(server):
    results = []
    key = f"n{next(ids)}"
    waiter = threading.Thread(
        target=lambda: results.append(server.get(f"/threads?gate={key}").json()))
    waiter.start()
    assert server.get(f"/threads?gate={key}&role=opener").json() is True
    waiter.join(20)
    assert results == [True]


# start_response


def test_start_response_may_come_with_the_first_iteration(call):
    response, _ = call("start_late")
    assert (response.status, response.text) == (200, "late\n")


def test_start_response_missing_is_a_500(call):
    response, _ = call("start_never")
    assert failed(response)


def test_start_response_twice_is_an_error(call):
    response, notes = call("start_twice")
    assert failed(response)
    assert settled(notes, raised="AssertionError")


def test_exc_info_replaces_unsent_headers(call):
    response, _ = call("exc_info_before")
    assert (response.status, response.reason) == (503, "Replaced")
    assert response.get("X-Second") == "1" and response.get("X-First") is None
    assert response.text == "replaced\n"


def test_exc_info_in_the_only_call(call):
    response, _ = call("exc_info_first")
    assert (response.status, response.text) == (500, "told\n")


def test_exc_info_after_headers_raises_and_aborts(call):
    response, notes = call("exc_info_after")
    assert response.status == 200
    assert not response.complete and response.body in (b"", b"sent\n")
    assert settled(notes, reraised=True)


@pytest.mark.parametrize("name", ["exc_info_empty_yield", "exc_info_empty_write"])
def test_empty_bytestrings_do_not_send_headers(call, name):
    response, _ = call(name)
    assert (response.status, response.text) == (503, "replaced\n")


@pytest.mark.parametrize("status, code, reason", [
    ("200 OK", 200, "OK"), ("299 What Ever", 299, "What Ever"),
    ("404 Nicht gefunden", 404, "Nicht gefunden"), ("599 x", 599, "x"),
    ("200 caf\u00e9", 200, "caf\u00e9"),
])
def test_status_line_is_sent_as_given(call, status, code, reason):
    from urllib.parse import quote
    response, _ = call("statuses", status=quote(status))
    assert (response.status, response.reason) == (code, reason)


BAD = ["status_bytes", "status_int", "status_none", "status_short", "status_word", "status_empty",
       "status_crlf", "status_interim", "status_not_latin1", "headers_dict", "headers_tuple",
       "headers_none", "header_not_tuple", "header_triple", "header_name_bytes",
       "header_value_bytes", "header_value_int", "header_value_none", "header_name_empty",
       "header_name_space", "header_name_colon", "header_name_crlf", "header_name_not_latin1",
       "header_value_crlf", "header_value_lf", "header_value_cr", "header_value_nul",
       "header_value_not_latin1", "length_word", "length_negative", "length_plus", "length_twice"]


@pytest.mark.ours
@pytest.mark.parametrize("which", BAD)
def test_bad_status_or_headers_raise_in_the_application(call, which):
    response, notes = call("bad_start", which=which)
    assert failed(response), response
    assert response.get("X-Evil") is None
    assert settled(notes, raised=notes()["raised"])
    assert notes()["raised"] in ("TypeError", "ValueError", "AssertionError",
                                 "UnicodeEncodeError"), notes()


def test_start_response_wrong_argument_counts(call):
    response, _ = call("arguments")
    assert response.json() == ["TypeError"] * 3


def test_headers_keep_order_case_and_duplicates(call):
    response, _ = call("headers_kept")
    assert response.all("Set-Cookie") == ["a=1", "b=2"]
    assert ("x-lower", "l") in response.headers
    assert response.get("X-Latin") == "caf\xe9"
    assert response.get("X-Empty") == ""
    assert response.get("X-After") is None
    names = [n for n, _ in response.headers]
    ours = ["Content-Type", "Set-Cookie", "X-One", "Set-Cookie", "x-lower", "X-Latin", "X-Empty"]
    assert [n for n in names if n in ours] == ours


@pytest.mark.ours
def test_date_and_server_are_not_doubled(call):
    response, _ = call("server_headers")
    assert response.get("Date") == "Tue, 01 Jan 2030 00:00:00 GMT"
    assert response.get("Server") == "mine"


def test_date_is_added(call):
    response, _ = call("list_one")
    assert response.get("Date", "").endswith(" GMT")


@pytest.mark.ours
@pytest.mark.parametrize("which", ["Transfer-Encoding", "Keep-Alive", "Upgrade"])
def test_hop_by_hop_headers_never_break_the_framing(call, which):
    response, _ = call("hop_by_hop", which=which)
    assert response.complete
    if response.status == 200:
        assert response.text == "hop by hop\n"
    else:
        assert response.status == 500


def test_application_may_close_the_connection(server):
    with server.connect() as conn:
        assert conn.get("/connection_close").text == "bye\n"
        assert conn.closed_by_peer()


# write()


@pytest.mark.parametrize("name, text", [
    ("write_only", "one two three\n"), ("write_then_iterate", "written yielded\n"),
    ("write_in_iteration", "abcd\n"), ("write_length", "abcdef")])
def test_write_callable(call, name, text):
    response, _ = call(name)
    assert response.complete and response.text == text


@pytest.mark.smoke
def test_write_transmits_before_it_returns(server):
    key = f"n{next(ids)}"
    with server.connect() as conn:
        conn.start("GET", f"/write_streams?gate={key}")
        response = conn.final_head()
        assert response.get("Transfer-Encoding") == "chunked"
        assert conn.chunk() == b"first\n"
        server.get(f"/open?gate={key}")
        assert conn.chunk() == b"opened\n"
        assert conn.chunk() == b""


def test_write_takes_bytes_only(call):
    response, notes = call("write_str")
    assert failed(response)
    assert settled(notes, raised="TypeError") or settled(notes, raised="AssertionError")


def test_exception_after_write_aborts(call):
    response, _ = call("write_raises_after")
    assert response.status == 200 and not response.complete


# iterables


@pytest.mark.smoke
@pytest.mark.parametrize("name, text", [
    ("list_one", "known\n"), ("list_many", "one two three\n"), ("tuple_iterable", "atuple\n"),
    ("set_iterable", "a set\n"), ("generator", "0\n1\n2\n3\n4\n"),
    ("getitem_iterable", "0\n1\n2\n"), ("bytes_subclass", "subclass\n"),
    ("empty_list", ""), ("empty_strings", "")])
def test_iterables_of_any_kind(call, name, text):
    response, _ = call(name)
    assert response.status == 200 and response.complete
    assert response.text == text


def test_single_bytestring_gets_a_length(call):
    response, _ = call("list_one")
    assert response.get("Content-Length") == "6"


def test_unknown_length_is_chunked(call):
    response, _ = call("generator")
    assert response.get("Transfer-Encoding") == "chunked"


def test_unknown_length_closes_for_an_old_client(server):
    with server.connect() as conn:
        response = conn.request("GET", "/generator", version="1.0")
        assert response.framing == "close" and response.text == "0\n1\n2\n3\n4\n"


def test_lying_len_keeps_the_framing(call):
    response, _ = call("len_lies")
    assert response.body in (b"one\ntwo\n", b"one\n")


@pytest.mark.ours
@pytest.mark.parametrize("name", ["returns_none", "returns_str", "bytes_itself"])
def test_wrong_iterables_are_a_500(call, name):
    response, _ = call(name)
    assert failed(response)


@pytest.mark.ours
@pytest.mark.parametrize("which", ["str", "int", "none", "bytearray", "memoryview"])
def test_yielding_non_bytes_first_is_a_500(call, which):
    response, notes = call("yields", which=which)
    assert failed(response)
    assert settled(notes, closed=1)


@pytest.mark.ours
@pytest.mark.parametrize("which", ["str", "int", "none"])
def test_yielding_non_bytes_later_aborts(call, which):
    response, notes = call("yields", which=which, at="later")
    assert failed(response) or (response.status == 200 and not response.complete)
    assert b"last" not in response.body
    assert settled(notes, closed=1)


@pytest.mark.smoke
def test_each_bytestring_is_transmitted_before_the_next_is_requested(server):
    key = f"n{next(ids)}"
    with server.connect() as conn:
        conn.start("GET", f"/streams?gate={key}")
        response = conn.final_head()
        assert conn.chunk() == b"first\n"
        assert response.status == 200
        server.get(f"/open?gate={key}")
        assert conn.chunk() == b"opened\n"
        assert conn.chunk() == b""


def test_streaming_with_a_declared_length(server):
    key = f"n{next(ids)}"
    with server.connect() as conn:
        conn.start("GET", f"/streams_with_length?gate={key}")
        conn.final_head()
        assert conn.take(6) == b"first\n"
        server.get(f"/open?gate={key}")
        assert conn.take(7) == b"opened\n"
        assert conn.get("/").text == "ok\n"


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 65535, 65536, 262144, 262145, 5000000])
@pytest.mark.parametrize("how", ["whole", "parts"])
def test_bytestrings_of_any_size(call, size, how):
    response, _ = call("big", size=size, how=how)
    block = bytes(range(256)) * 256
    assert response.complete
    assert response.body == (block * (size // len(block) + 1))[:size]


# close()


@pytest.mark.smoke
@pytest.mark.parametrize("name", ["tracked", "tracked_length"])
def test_close_is_called_once_on_the_calling_thread(call, name):
    _, notes = call(name)
    assert settled(notes, closed=1, same_thread=True)


def test_close_is_called_for_head(call):
    response, notes = call("tracked_head", "HEAD")
    assert response.status == 200
    assert settled(notes, closed=1, same_thread=True)


def test_close_is_called_without_start_response(call):
    response, notes = call("tracked_never_started")
    assert failed(response)
    assert settled(notes, closed=1)


@pytest.mark.parametrize("at", [0, 1, 3])
def test_close_is_called_when_iteration_raises(call, at):
    response, notes = call("tracked_raises", at=at)
    assert settled(notes, closed=1, same_thread=True)
    if at:
        assert response.status == 200 and not response.complete
    else:
        assert failed(response)


def test_exception_in_close_leaves_the_response(call, server):
    response, notes = call("close_raises")
    assert response.complete and response.text == "fine\n"
    assert settled(notes, closed=1)
    assert server.logs("close failed on purpose")


def test_close_does_not_delay_the_response(server):
    key = f"n{next(ids)}"
    with server.connect() as conn:
        assert conn.get(f"/close_later?gate={key}&id={key}").text == "fast\n"
        assert server.get(f"/notes?id={key}").json() == {"closed": 0, "taken": 1}
        server.get(f"/open?gate={key}")
        assert settled(lambda: server.get(f"/notes?id={key}").json(), closed=1)


# lengths, HEAD, statuses without body


def test_exact_length(call):
    response, _ = call("length", declare=10)
    assert response.complete and response.body == b"0123456789"


@pytest.mark.parametrize("declare", [0, 1, 4, 7])
def test_too_many_bytes_are_cut_without_harm(call, declare):
    response, _ = call("length", declare=declare, reuse=False)
    if response.status == 200:
        assert response.body == b"0123456789"[:declare]
    else:
        assert failed(response)


@pytest.mark.parametrize("declare", [0, 1, 4, 7])
def test_nothing_follows_a_cut_response(server, declare):
    with server.connect() as conn:
        conn.get(f"/length?declare={declare}")
        conn.send(encode("GET", "/"))
        if not conn.closed_by_peer():
            assert conn.read().text == "ok\n"


def test_too_few_bytes_are_seen_as_cut(server):
    with server.connect() as conn:
        response = conn.get("/length?declare=20")
        assert response.status == 200
        assert response.body == b"0123456789" and not response.complete


@pytest.mark.parametrize("code", [204, 304])
def test_status_without_body(server, code):
    with server.connect() as conn:
        response = conn.get(f"/no_body_status?code={code}")
        assert response.status == code and response.get("X-Kept") == "1"
        assert response.get("Transfer-Encoding") is None
        assert conn.get("/").text == "ok\n"


def test_length_of_304_is_allowed(server):
    with server.connect() as conn:
        response = conn.get("/no_body_status?code=304&length=1234")
        assert response.get("Content-Length") in (None, "1234")
        assert conn.get("/").text == "ok\n"


@pytest.mark.parametrize("query", ["", "?length=5", "?body=1", "?length=5&body=1"])
def test_head_has_no_body(server, query):
    with server.connect() as conn:
        response = conn.request("HEAD", "/head" + query)
        assert response.status == 200
        if "length" in query:
            assert response.get("Content-Length") == "5"
        else:
            assert response.get("Content-Length") in (None, "5"), "a wrong length for HEAD"
        assert conn.get("/").text == "ok\n"


def test_head_of_a_file(server):
    with server.connect() as conn:
        conn.request("HEAD", "/file?kind=plain&declare=300000")
        assert conn.get("/").text == "ok\n"


# exceptions


@pytest.mark.ours
@pytest.mark.parametrize("which", ["value", "exit", "interrupt", "generator", "stop", "odd",
                                   "memory", "unicode"])
@pytest.mark.parametrize("started", [False, True])
def test_exceptions_are_a_500_and_the_server_goes_on(call, server, which, started):
    response, _ = call("raises", which=which, **({"started": 1} if started else {}))
    assert failed(response)
    assert server.alive()
    assert server.get("/").text == "ok\n"


@pytest.mark.smoke
def test_traceback_is_logged_not_sent(call, server):
    response, _ = call("raises", which="value")
    assert b"on purpose" not in response.body and b"Traceback" not in response.body
    assert server.logs("ValueError: raised on purpose")
    assert "conformance.py" in server.output()


def test_recursion_is_an_exception(call):
    response, _ = call("recursion")
    assert failed(response)


# wsgi.input

BODY = b"one\ntwo\n\nfour\nlast"


def steps(call, text, body=BODY, headers=()):
    response, _ = call("input_steps", "POST", body, headers, steps=text)
    assert response.status == 200, response.text
    return response.json()


@pytest.mark.parametrize("text, expect", [
    ("read", ["one\ntwo\n\nfour\nlast"]),
    ("read:-1", ["one\ntwo\n\nfour\nlast"]),
    ("read:3,read:0,read:3", ["one", "", "\ntw"]),
    ("read:100", ["one\ntwo\n\nfour\nlast"]),
    ("read,read,read:5,readline,readlines,next", ["one\ntwo\n\nfour\nlast", "", "", "", [], "<end>"]),
    ("readline,readline,readline,readline,readline,readline",
     ["one\n", "two\n", "\n", "four\n", "last", ""]),
    ("readline:2,readline:2,readline:100", ["on", "e\n", "two\n"]),
    ("readline:-1,readline:0", ["one\n", ""]),
    ("readlines", [["one\n", "two\n", "\n", "four\n", "last"]]),
    ("readlines:5,readlines", [["one\n", "two\n"], ["\n", "four\n", "last"]]),
    ("read:1,readline,iter", ["o", "ne\n", ["two\n", "\n", "four\n", "last"]]),
    ("next,next,read", ["one\n", "two\n", "\nfour\nlast"]),
])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_input_methods(call, text, expect, framing):
    body, headers = BODY, ()
    if framing == "chunked":
        body = chunked(BODY[:1], BODY[1:9], BODY[9:])
        headers = [("Transfer-Encoding", "chunked")]
    got = steps(call, text, body, headers)
    if text == "readlines:5,readlines":
        assert sum(got, []) == sum(expect, []), "the hint may not lose or split lines"
    else:
        assert got == expect


@pytest.mark.ours
@pytest.mark.parametrize("text, expect", [
    ("none", ["one\ntwo\n\nfour\nlast"]),
    ("read:5,seek:0,read:3,tell", ["one\nt", 0, "one", 3]),
    ("seek:0:2,tell,read,seek:4,readline", [18, 18, "", 4, "two\n"]),
    ("seek:-4:2,read", [14, "last"]),
    ("read:4,seek:4:1,tell,read:1", ["one\n", 8, 8, "\n"]),
    ("readline,tell,readline,tell", ["one\n", 4, "two\n", 8]),
])
def test_input_seeks(call, text, expect):
    assert steps(call, text) == expect


def test_input_without_a_body(call):
    response, _ = call("input_steps", steps="read,readline,readlines,read:5,next")
    assert response.json() == ["", "", [], "", "<end>"]


def test_input_refuses_wrong_arguments(call):
    response, _ = call("input_errors", "POST", b"x")
    assert response.status == 200
    assert response.json()["read('x',)"] in ("TypeError", "ValueError")


BODIES = [1, 8191, 65535, 65536, 65537, 300000, 2000000]


@pytest.mark.parametrize("size", BODIES)
@pytest.mark.parametrize("by", [1000, 65536, -1])
def test_bodies_of_any_size(call, size, by):
    body = bytes(i * 11 & 0xFF for i in range(251)) * (size // 251 + 1)
    body = body[:size]
    response, _ = call("input_hash", "POST", body, by=by) if by > 0 else \
        call("input_hash", "POST", body, by=1 << 30)
    seen = response.json()
    assert seen["bytes"] == size and seen["again"] == 0
    assert seen["sha256"] == hashlib.sha256(body).hexdigest()
    assert seen["declared"] == str(size)


@pytest.mark.smoke
@pytest.mark.ours
@pytest.mark.parametrize("size", BODIES)
def test_chunked_bodies_have_a_length(call, size):
    body = b"0123456789" * (size // 10 + 1)
    body = body[:size]
    pieces = [body[i:i + 30011] for i in range(0, size, 30011)]
    response, _ = call("input_hash", "POST", chunked(*pieces), [("Transfer-Encoding", "chunked")])
    seen = response.json()
    assert seen["bytes"] == size and seen["sha256"] == hashlib.sha256(body).hexdigest()
    assert seen["declared"] == str(size)
    assert seen["terminated"] is True


@pytest.mark.parametrize("size", [1, 65537, 200000])
def test_unread_bodies_do_not_harm_the_next_request(server, size):
    with server.connect() as conn:
        for _ in range(3):
            response = conn.request("POST", "/input_ignored", body=b"x" * size)
            assert response.status == 200
            if response.get("Connection") == "close":
                return
        assert conn.get("/").text == "ok\n"


def test_unread_body_that_comes_byte_by_byte(server):
    with server.connect() as conn:
        request = encode("POST", "/input_ignored", body=b"GET /raises?which=value HTTP/1.1\r\n\r\n")
        for i in range(len(request)):
            conn.send(request[i:i + 1])
        assert conn.read().json() == {"ignored": "36"}
        assert conn.get("/").text == "ok\n"


@pytest.mark.ours
def test_expect_continue(server):
    with server.connect() as conn:
        conn.send(encode("POST", "/echo", [("Expect", "100-continue"), ("Content-Length", "5")]))
        assert conn.head().status == 100
        conn.send(b"hello")
        assert conn.read().body == b"hello"
        assert conn.get("/").text == "ok\n"


def test_input_after_its_request(call):
    for _ in range(3):
        response, _ = call("input_kept", "POST", b"kept")
        assert response.status == 200


@pytest.mark.smoke
def test_pipelined_requests_are_answered_in_order(server):
    with server.connect() as conn:
        conn.send(b"".join(encode("POST", "/echo", body=b"%d" % i) for i in range(20)))
        assert [conn.read().body for _ in range(20)] == [b"%d" % i for i in range(20)]


# wsgi.file_wrapper

DATA = bytes(i * 7 & 0xFF for i in range(300000))


@pytest.mark.parametrize("kind", ["real", "plain", "unbuffered", "bytesio", "watched"])
@pytest.mark.parametrize("offset", [0, 1, 299999, 300000])
def test_file_wrapper(call, kind, offset):
    response, notes = call("file", kind=kind, offset=offset)
    assert response.complete and response.body == DATA[offset:]
    if kind in ("real", "watched"):
        assert settled(notes, closed=1)


@pytest.mark.parametrize("declare", [300000, 100])
@pytest.mark.parametrize("kind", ["real", "plain", "bytesio"])
def test_file_wrapper_with_a_length(call, kind, declare):
    response, _ = call("file", kind=kind, declare=declare, reuse=declare == 300000)
    assert response.get("Content-Length") == str(declare)
    assert response.body == DATA[:declare]


@pytest.mark.parametrize("kind", ["plain", "bytesio"])
def test_file_shorter_than_its_length_is_seen_as_cut(call, kind):
    response, _ = call("file", kind=kind, declare=300001)
    assert not response.complete and response.body == DATA


@pytest.mark.smoke
@pytest.mark.parametrize("block", [1, 1000, 1000000])
def test_file_wrapper_block_sizes(call, block):
    response, _ = call("file", kind="bytesio", size=5000, block=block)
    assert response.body == DATA[:5000]


def test_file_wrapper_around_a_pipe(call):
    response, _ = call("file", kind="pipe")
    assert response.complete and response.body == DATA[:4096]


def test_file_wrapper_of_an_empty_file(call):
    response, _ = call("file", kind="plain", size=0)
    assert response.complete and response.body == b""


def test_file_wrapper_inside_middleware(call):
    response, _ = call("file_wrapped")
    assert response.text == "ABC|DEF|GH|"


def test_file_wrapper_closed_by_middleware(call):
    response, notes = call("file_close_only")
    assert response.text == "other\n"
    assert settled(notes, closed=1)


def test_file_after_write(call):
    response, _ = call("file_after_write")
    assert response.text == "before file\n"


# extensions


@pytest.mark.ours
def test_early_hints(server):
    with server.connect() as conn:
        response = conn.get("/early_hints")
        assert response.text == "hints\n"
        assert [r.status for r in response.interim] == [103]
        assert response.interim[0].all("Link") == [
            "</style.css>; rel=preload; as=style", "</a.js>; rel=preload"]
        assert conn.get("/").text == "ok\n"


@pytest.mark.ours
def test_early_hints_not_for_old_clients(server):
    with server.connect() as conn:
        response = conn.request("GET", "/early_hints", version="1.0")
        assert response.text == "hints\n" and response.interim == []


@pytest.mark.ours
def test_early_hints_are_checked(call):
    response, _ = call("early_hints_bad")
    assert response.json() == "ValueError" and response.interim == []


# connections


def test_old_client_keep_alive(server):
    with server.connect() as conn:
        response = conn.request("GET", "/list_one", [("Connection", "keep-alive")], version="1.0")
        assert response.complete
        if response.get("Connection", "").lower() == "keep-alive":
            assert conn.get("/").text == "ok\n"


def test_old_client_closes(server):
    with server.connect() as conn:
        assert conn.request("GET", "/list_one", version="1.0").text == "known\n"
        assert conn.closed_by_peer()


def test_connection_close_is_honoured(server):
    with server.connect() as conn:
        response = conn.get("/list_one", [("Connection", "close")])
        assert response.text == "known\n"
        assert response.get("Connection", "").lower() == "close"
        assert conn.closed_by_peer()
