#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Visits every part of the running demo with a headless browser.

    check.py URL [--screenshots DIR]

Prints a line for each part; the exit code says whether all is well.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
import urllib.request

from webdriver import Browser

BLOCK_S = 5


class Check:
    """The visit. Each method is one part; the order is the visitor's."""

    def __init__(self, browser, url, screenshots):
        self.browser, self.url, self.screenshots = browser, url.rstrip("/"), screenshots

    def shot(self, name):
        if self.screenshots:
            os.makedirs(self.screenshots, exist_ok=True)
            self.browser.run("scrollTo({ top: 0, behavior: 'instant' })")
            self.browser.screenshot(os.path.join(self.screenshots, name + ".png"))

    def page(self):
        """the page opens, its style and scripts are there"""
        self.browser.open(self.url + "/")
        assert "Three worlds" in self.browser.text("h1").replace("\n", " ")
        style = self.browser.run("return getComputedStyle(document.body).fontSize")
        assert style == "16px", style
        self.browser.until("return typeof Lanes === 'object' && typeof Chat === 'object'")

    def native(self):
        """the C endpoint is asked again and again"""
        first = self.browser.until(
            "const t = document.querySelector('[data-fact=answers]').textContent;"
            "return t === '–' ? null : t")
        self.browser.until("return document.querySelector('[data-fact=answers]').textContent"
                           " !== arguments[0]", first)

    def session(self):
        """the session counts visits"""
        self.browser.open(self.url + "/")
        assert "Welcome back" in self.browser.text(".visits")

    def guestbook(self):
        """the form is posted, a wrong one comes back with the reason"""
        self.browser.run("document.querySelector('#id_text').removeAttribute('required')")
        self.browser.type("#id_name", "Ada")
        self.browser.click("#guestbook button")
        self.browser.until("return document.querySelector('#guestbook .error') !== null",
                           what="the form's error")
        text = "Calm outside, a gust at the door, and the kettle already on."
        self.browser.type("#id_name", "Ada Lovelace")
        self.browser.type("#id_text", text)
        self.browser.click("#guestbook button")
        self.browser.until("return document.querySelector('.entries').textContent"
                           ".includes(arguments[0])", text, what="the new line")
        assert "Thank you, Ada Lovelace" in self.browser.text(".notes")

    def upload(self):
        """a file goes up and comes down unchanged"""
        data = os.urandom(300_000)
        digest = hashlib.sha256(data).hexdigest()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "barometer.bin")
            with open(path, "wb") as file:
                file.write(data)
            self.browser.attach("#upload-file", path)
            self.browser.click("#files button")
            self.browser.until("return document.querySelector('.files').textContent"
                               ".includes(arguments[0])", digest[:12], what="the upload's digest")
        link = self.browser.run("return document.querySelector('.files a').href")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(link) as response:
            assert hashlib.sha256(response.read()).hexdigest() == digest
            assert "attachment" in response.headers["Content-Disposition"]

    def download(self):
        """the streamed table arrives whole, its first row before its last is made"""
        seen = self.browser.run("""
            return fetch("/measurements.csv").then(async (response) => {
                const reader = response.body.getReader();
                let chunks = 0, bytes = 0, lines = 0;
                for (;;) {
                    const { done, value } = await reader.read();
                    if (done) break;
                    chunks++; bytes += value.length;
                    for (const byte of value) lines += byte === 10;
                }
                return { chunks, bytes, lines, length: response.headers.get("Content-Length") };
            })""")
        assert seen["lines"] == 100_001 and seen["chunks"] > 1 and seen["length"] is None, seen

    def admin(self):
        """the admin lets admin/admin in and changes a line"""
        self.browser.open(self.url + "/admin/")
        assert "/admin/login/" in self.browser.url
        self.browser.type("#id_username", "admin")
        self.browser.type("#id_password", "admin")
        self.browser.click("[type=submit]")
        self.browser.until("return location.pathname === '/admin/'", what="the login")
        assert "What the demo keeps" in self.browser.text("h1")
        self.shot("admin")
        self.browser.open(self.url + "/admin/gusts/entry/")
        self.browser.click("#result_list tbody tr th a")
        self.browser.until("return document.querySelector('#id_name') !== null")
        self.browser.type("#id_name", "Ada, edited")
        self.browser.click("[name=_save]")
        self.browser.until("return document.querySelector('.messagelist') !== null",
                           what="the admin's confirmation")
        assert "Ada, edited" in self.browser.text("#result_list")

    def say(self, name, text):
        self.browser.type("#say-name", name)
        self.browser.type("#say-text", text)
        self.browser.click("#say button")

    def heard(self, text, within):
        self.browser.until("return document.getElementById('talk').textContent"
                           ".includes(arguments[0])", text, within=within, what=f"hearing {text!r}")

    def experiment(self):
        """two tabs chat, and C answers, while every Python worker is blocked"""
        self.browser.open(self.url + "/")
        first = self.browser.here
        second = self.browser.tab()
        self.browser.open(self.url + "/")
        for handle in (first, second):
            self.browser.go(handle)
            self.browser.until("return document.getElementById('chat-state').textContent"
                               ".includes('2 people')", what="two people in the chat")
        self.say("Bora", "before the block")
        self.heard("before the block", 5)
        time.sleep(4)  # lets the strips show the calm before
        self.browser.run(f"document.getElementById('block-seconds').value = '{BLOCK_S}'")
        self.browser.click("#block button")
        self.browser.until("return document.querySelector('#block button').disabled",
                           what="the block")
        began = time.monotonic()
        since = self.browser.run("return performance.now() + 500")
        time.sleep(0.5)
        for number in range(3):
            self.say("Bora", f"are you there, {number}?")
            self.browser.go(first)
            self.heard(f"are you there, {number}?", 1.5)
            self.say("Mistral", f"instantly, {number}")
            self.browser.go(second)
            self.heard(f"instantly, {number}", 1.5)
        took = time.monotonic() - began
        assert took < BLOCK_S, f"the conversation took {took:.1f} s"
        waiting = self.browser.until("return document.getElementById('now-django').textContent"
                                     ".startsWith('…')", what="Django waiting")
        assert waiting
        seen = {name: self.browser.run("return Lanes.worst(arguments[0], arguments[1])", name, since)
                for name in ("c", "ws")}
        for name, one in seen.items():
            assert one["count"] >= 2 and one["worst"] < 250, f"{name}: {one}"
        self.shot("blocked")
        self.browser.until("return !document.querySelector('#block button').disabled", within=20)
        self.browser.until("return !document.getElementById('now-django').textContent"
                           ".startsWith('…')", within=20, what="Django breathing again")
        time.sleep(2)
        self.shot("page")
        self.browser.dark()
        time.sleep(0.5)
        self.shot("page-dark")
        self.browser.dark(False)
        return f"worst round trip while blocked: C {seen['c']['worst']:.1f} ms, " \
               f"WebSocket {seen['ws']['worst']:.1f} ms"

    def quiet(self):
        """no script complained"""
        allowed = ("status of 422",)  # the wrong form
        bad = [p for p in self.browser.problems() if not any(a in p for a in allowed)]
        assert not bad, bad[:5]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--screenshots")
    options = parser.parse_args()
    failures = 0
    with Browser() as browser:
        check = Check(browser, options.url, options.screenshots)
        for part in (check.page, check.native, check.session, check.guestbook, check.upload,
                     check.download, check.admin, check.experiment, check.quiet):
            try:
                said = part()
                print(f"ok    {part.__doc__}" + (f" ({said})" if said else ""), flush=True)
            except Exception as problem:
                failures += 1
                print(f"FAIL  {part.__doc__}: {type(problem).__name__}: {problem}", flush=True)
                check.shot(f"failed-{part.__name__}")
    print("the demo works" if not failures else f"{failures} parts failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
