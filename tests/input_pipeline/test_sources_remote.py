"""Addresses: fetched once, whole or not at all, and shared."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest

from input_pipeline.sources import open_source, remote


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vlp" / "data"


def opened(address: str) -> list[str]:
    source = open_source({"format": "parquet", "path": address})
    return [source[index].id for index in range(len(source))]


class Counting(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and counts what it is asked to send."""

    sent: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.sent.append(self.path)
        if self.path.startswith("/cut"):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"PAR1")
            self.close_connection = True
        elif self.path.startswith("/endless"):  # an answer that says neither its length nor its end
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"PAR1")
            self.close_connection = True
        elif self.path.startswith("/broken"):
            self.send_error(500)
        elif self.path.startswith("/login"):
            self.send_response(200)
            page = b"\n<!DOCTYPE html><html><body>Log in</body></html>"
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)
        elif self.path.startswith("/silent"):
            time.sleep(5)
        elif self.path.startswith("/drip"):
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            for _ in range(50):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        if self.path.startswith(("/silent", "/drip", "/endless", "/cut", "/login")):
            self.send_error(405)
        else:
            super().do_HEAD()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    Counting.sent = []
    handler = functools.partial(Counting, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_file_is_fetched_once_and_shared(server: str, write_parquet, cache: Path) -> None:
    write_parquet(3, "a")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(opened, [f"{server}/a.parquet"] * 4))
    assert found == [["a/0", "a/1", "a/2"]] * 4 and Counting.sent.count("/a.parquet") == 1
    assert [file.name for file in cache.glob("*/*") if file.name != ".lock"] == ["a.parquet"]


def test_a_range_of_addresses_is_its_files(server: str, write_parquet) -> None:
    for name in ("s-08", "s-09", "s-10"):
        write_parquet(1, name)
    assert opened(server + "/s-{08..10}.parquet") == ["s-08/0", "s-09/0", "s-10/0"]


def test_what_breaks_off_is_an_error_and_leaves_nothing(server: str, cache: Path) -> None:
    for address in (
        f"{server}/cut.parquet",
        f"{server}/none.parquet",
        "nosuch://a/b.parquet",
        "http://127.0.0.1:1/a.parquet",
    ):
        with pytest.raises(ValueError, match=f"{address} cannot be fetched|{address}: this kind"):
            opened(address)
    assert not [file for file in cache.glob("*/*") if file.name == "cut.parquet"]


def test_patterns_and_folders_where_the_file_system_can_list(
    write_parquet, monkeypatch, tmp_path: Path
) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for name in ("b", "a"):
        memory.pipe_file(f"/bucket/{name}.parquet", write_parquet(2, name).read_bytes())
    expected = ["a/0", "a/1", "b/0", "b/1"]
    monkeypatch.setenv("VLP_DATA_CACHE", str(tmp_path / "elsewhere"))
    for address in (
        "memory://bucket/*.parquet",
        "memory://bucket",
        f"file://{tmp_path}/?.parquet",
        f"file://{tmp_path}",
    ):
        if "?" not in address:
            assert opened(address) == expected
    assert len(list((tmp_path / "elsewhere").glob("*/*.parquet"))) == 4
    memory.rm("/bucket", recursive=True)
    with pytest.raises(ValueError, match="memory://bucket cannot be fetched"):
        opened("memory://bucket")
    assert opened("memory://bucket/a.parquet") == ["a/0", "a/1"]  # in the cache


def test_images_beside_a_remote_table_are_refused(server: str) -> None:
    with pytest.raises(ValueError, match="pack it into shards"):
        open_source({"format": "jsonl", "path": f"{server}/a.jsonl"})


@pytest.mark.parametrize("way", ["silent", "drip"])
def test_a_server_that_is_stuck_is_given_up_with_a_reason(
    server: str, cache: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(remote, "_SILENT_SECONDS", 1.0)
    said = "no answer within 1 s: is the server up" if way == "silent" else "the server is stuck"
    with pytest.raises(ValueError, match=rf"/{way}\.parquet cannot be fetched: .*{said}"):
        opened(f"{server}/{way}.parquet")
    assert {file.name for file in cache.glob("*/*")} <= {".lock"}


def test_an_answer_that_may_be_cut_is_not_taken_for_whole(server: str, cache: Path) -> None:
    with pytest.raises(ValueError, match="neither how long the file is nor where it ends"):
        opened(f"{server}/endless.parquet")
    assert {file.name for file in cache.glob("*/*")} == {".lock"}


def test_a_page_to_log_in_is_not_taken_for_the_file(server: str, cache: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be fetched: OSError: the server answers with a web page"):
        opened(f"{server}/login.parquet")
    assert not list(cache.rglob("*.parquet"))


def test_a_server_that_fails_is_not_a_file_that_is_not_there(server: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be fetched: ClientResponseError: 500"):
        opened(f"{server}/broken.parquet?sig=SECRET")
    with pytest.raises(ValueError, match=r"cannot be fetched: ClientResponseError: 404") as raised:
        opened(f"{server}/nothing.parquet?sig=SECRET")
    assert "SECRET" not in str(raised.value)


def test_a_copy_of_another_size_is_refused(
    write_parquet, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

    MemoryFileSystem().pipe_file("/bucket/short.parquet", write_parquet(2).read_bytes())
    read = MemoryFile.read
    monkeypatch.setattr(MemoryFile, "read", lambda self, size=-1: read(self, size)[:100])
    monkeypatch.setattr(MemoryFile, "size", 10_000, raising=False)
    with pytest.raises(ValueError, match=r"short\.parquet cannot be fetched: OSError: .* of 10000 bytes"):
        opened("memory://bucket/short.parquet")
    assert {file.name for file in cache.glob("*/*")} == {".lock"}
    MemoryFileSystem().rm("/bucket", recursive=True)


def test_what_a_killed_fetch_left_is_removed(server: str, write_parquet, cache: Path) -> None:
    write_parquet(1, "a")
    opened(f"{server}/a.parquet")
    (copy,) = cache.glob("*/a.parquet")
    left = copy.with_name("a.parquet.0123abcd.saving")
    copy.rename(left)
    assert opened(f"{server}/a.parquet") == ["a/0"] and not left.exists()


def test_errors_show_no_secrets_and_say_what_is_meant(server: str) -> None:
    port = server.rpartition(":")[2]
    with pytest.raises(ValueError) as error:
        opened(f"http://user:PASSWORD@127.0.0.1:{port}/none.parquet?sig=SIGNATURE")
    assert "PASSWORD" not in str(error.value) and "SIGNATURE" not in str(error.value)
    with pytest.raises(ValueError, match="is a server running there, and is the port the right one"):
        opened("http://127.0.0.1:1/a.parquet")
    with pytest.raises(
        ValueError, match=r"nosuch://a/b\.parquet cannot be fetched: ValueError: Protocol not known"
    ):
        opened("nosuch://a/b.parquet")


def test_a_query_is_no_part_of_the_name(server: str, write_parquet, cache: Path) -> None:
    write_parquet(1, "a")
    assert opened(f"{server}/a.parquet?x=b.tar") == ["a/0"]
    assert [file.name for file in cache.glob("*/*") if file.name != ".lock"] == ["a.parquet"]
