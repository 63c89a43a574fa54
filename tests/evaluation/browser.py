"""A headless Chromium, driven over a pipe by the DevTools protocol: no driver, no server, no other package."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOW_TO_GET_IT = "no browser looked at the page: apt-get install chromium"
_ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe")
# The protocol is spoken on the descriptors 3 and 4 of the browser.
_START = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])"""


class Browser:
    """One tab: `call` sends a command and waits for its answer; `events` is all that was reported meanwhile."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back, self._number, self._rest = to, back, 0, b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        tab = next(one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=tab["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, page: Path, *, width: int, dark: bool = False) -> None:
        """Loads a page from the disk at a width in CSS pixels, and waits until it is there."""
        self.events.clear()
        height, scheme = 900, "dark" if dark else "light"
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())
        self.evaluate(
            "Promise.all([...document.images].map(image => image.decode().catch(() => 0))).then(() => 0)"
        )

    def evaluate(self, expression: str) -> Any:
        """The value of JavaScript in the page, after it is awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """The whole page, from top to bottom, as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _receive(self, seconds: float = 60.0) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        waiting = select.poll()  # select knows no file number above 1,023, which a long session reaches
        waiting.register(self._back, select.POLLIN)
        while b"\0" not in self._rest:
            ready = waiting.poll(1000 * max(deadline - time.monotonic(), 0))
            part = os.read(self._back, 1 << 20) if ready else b""
            if not part:
                raise RuntimeError(f"the browser said nothing for {seconds} s, or ended")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, ended afterwards."""
    assert CHROMIUM, HOW_TO_GET_IT
    browser_reads, we_write = map(_elsewhere, os.pipe())
    we_read, browser_writes = map(_elsewhere, os.pipe())
    command = [CHROMIUM, *_ARGUMENTS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-c", _START, str(browser_reads), str(browser_writes), *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(browser_reads, browser_writes),
    )
    os.close(browser_reads)
    os.close(browser_writes)
    try:
        yield Browser(we_write, we_read)
    finally:
        process.kill()
        process.wait()
        os.close(we_write)
        os.close(we_read)


def _elsewhere(descriptor: int) -> int:
    """The same pipe on a descriptor that is in the way of neither 3 nor 4."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved
