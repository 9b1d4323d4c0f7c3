# SPDX-License-Identifier: MIT
"""A headless Chromium, driven through chromedriver by the WebDriver protocol's own JSON."""

import base64
import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import time

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--disable-background-timer-throttling",
         "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
         "--no-proxy-server", "--hide-scrollbars", "--window-size=1280,900"]


class Refused(Exception):
    """The driver answered with an error."""


def find(*names):
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    raise FileNotFoundError(f"none of {', '.join(names)} is installed")


class Browser:
    """One browser; a context manager."""

    def __init__(self, *flags):
        self.folder = tempfile.TemporaryDirectory(prefix="demo-browser-", ignore_cleanup_errors=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.driver = subprocess.Popen(
            [find("chromedriver"), f"--port={self.port}"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.session = ""
        try:
            self._await_driver()
            options = {"binary": find("chromium", "chromium-browser", "google-chrome"),
                       "args": [*FLAGS, *flags, f"--user-data-dir={self.folder.name}/profile"],
                       "prefs": {"download.default_directory": self.folder.name}}
            made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"}}}})
            self.session = "/session/" + made["sessionId"]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            if self.session:
                self.call("DELETE", self.session)
        except (OSError, Refused):
            pass
        self.driver.terminate()
        self.driver.wait()
        self.folder.cleanup()

    def _await_driver(self):
        for _ in range(200):
            try:
                if self.call("GET", "/status")["ready"]:
                    return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("chromedriver does not start")

    def call(self, method, path, value=None):
        """One command of the protocol."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        body = json.dumps(value if value is not None else {}) if method == "POST" else None
        conn.request(method, path, body, {"Content-Type": "application/json"})
        response = conn.getresponse()
        result = json.loads(response.read())["value"]
        conn.close()
        if response.status >= 400:
            raise Refused(f"{result['error']}: {result['message'].splitlines()[0]}")
        return result

    def do(self, method, path, value=None):
        return self.call(method, self.session + path, value)

    def open(self, url):
        self.do("POST", "/url", {"url": url})

    @property
    def url(self):
        return self.do("GET", "/url")

    def element(self, css):
        return self.do("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def text(self, css):
        return self.do("GET", f"/element/{self.element(css)}/text")

    def click(self, css):
        self.run("document.querySelector(arguments[0]).scrollIntoView("
                 "{ block: 'center', behavior: 'instant' })", css)
        self.do("POST", f"/element/{self.element(css)}/click")

    def type(self, css, text, clear=True):
        element = self.element(css)
        if clear:
            self.do("POST", f"/element/{element}/clear")
        self.do("POST", f"/element/{element}/value", {"text": text})

    def attach(self, css, path):
        self.do("POST", f"/element/{self.element(css)}/value", {"text": str(path)})

    def run(self, script, *arguments):
        """Runs JavaScript; what it returns."""
        return self.do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def until(self, script, *arguments, within=15, what=None):
        """Waits until the script returns something true; that value."""
        end = time.monotonic() + within
        while True:
            value = self.run(script, *arguments)
            if value:
                return value
            if time.monotonic() > end:
                raise TimeoutError(f"waited {within} s for {what or script}")
            time.sleep(0.05)

    def tab(self):
        """Opens another tab and goes there; its handle."""
        handle = self.do("POST", "/window/new", {"type": "tab"})["handle"]
        self.go(handle)
        return handle

    @property
    def here(self):
        return self.do("GET", "/window")

    def go(self, handle):
        self.do("POST", "/window", {"handle": handle})

    def screenshot(self, path, whole=True):
        """Saves a PNG; of the whole page, not of the window alone."""
        if whole:
            size = self.do("POST", "/goog/cdp/execute", {
                "cmd": "Page.getLayoutMetrics", "params": {}})["cssContentSize"]
            data = self.do("POST", "/goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": {
                "captureBeyondViewport": True,
                "clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"],
                         "scale": 1}}})["data"]
        else:
            data = self.do("GET", "/screenshot")
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def dark(self, on=True):
        self.do("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {
            "features": [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]}})

    def problems(self):
        """What the page's scripts complained about."""
        entries = self.do("POST", "/se/log", {"type": "browser"})
        return list(dict.fromkeys(e["message"] for e in entries if e["level"] == "SEVERE"))
