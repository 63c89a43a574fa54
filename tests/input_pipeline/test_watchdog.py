"""A stream that stands still says so, and why; it never hangs in silence."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from input_pipeline.records import Record
from input_pipeline.stream import Stream, make_stream
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.watchdog import StreamStalled, Watchdog, WorkerDied


@pytest.fixture
def stream(write_parquet: Callable[..., Path], tokenizer: Tokenizer) -> Stream:
    source = {"format": "parquet", "path": str(write_parquet(9)), "weight": 1.0}
    return make_stream(
        {"sources": {"photos": source}, "text": {"choice": "uniform"}},
        preprocessing={},
        tokenizer=tokenizer,
        batch_size=4,
        seed=3,
        fields=("text",),
    )


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Reading any record waits until the gate is open."""
    from input_pipeline.sources.parquet import ParquetSource

    gate, read = threading.Event(), ParquetSource.__getitem__

    def wait_and_read(self: ParquetSource, index: int) -> Record:
        gate.wait()
        return read(self, index)

    monkeypatch.setattr(ParquetSource, "__getitem__", wait_and_read)
    yield gate
    gate.set()


def test_a_stalled_read_is_reported_and_waited_for(stream: Stream, gate: threading.Event) -> None:
    reports: list[str] = []

    def report(message: str) -> None:
        reports.append(message)
        gate.set()

    batches = stream.batches(threads=1, watchdog=Watchdog(seconds=0.5, report=report))
    assert next(batches)["index"].tolist() == [0, 1, 2, 3]
    batches.close()
    (text,) = reports
    record = stream.address(0).record
    assert f"record {record} of source 'photos'" in text and f"process {os.getpid()}" in text
    assert "wait_and_read" in text, "the stack of the loader thread"
    assert "check the storage under data.sources.photos.path" in text


def test_a_read_that_never_ends_stops_the_run(stream: Stream, gate: threading.Event) -> None:
    reports: list[str] = []
    batches = stream.batches(threads=1, watchdog=Watchdog(0.5, reports=2, report=reports.append))
    with pytest.raises(StreamStalled, match=r"data\.watchdog_seconds=0\.5, 2 reports"):
        next(batches)
    assert len(reports) == 2


def test_an_error_in_a_loader_thread_arrives(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, visit: object) -> None:
        raise KeyError("a mistake in a view")

    monkeypatch.setattr("input_pipeline.fields.Text.show", fail)
    with pytest.raises(KeyError, match="a mistake in a view"):
        next(stream.batches())


@pytest.mark.slow
def test_a_killed_worker_stops_the_run_and_says_so(stream: Stream) -> None:
    batches = stream.batches(workers=2, threads=1, prefetch=1)
    for _ in range(2):  # one of each process: then both are known
        next(batches)
    worker = multiprocessing.active_children()[0]
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    begin = time.monotonic()
    with pytest.raises(WorkerDied, match=rf"loader process {worker.pid} ended with SIGKILL.*out of memory"):
        for _ in range(100):
            next(batches)
    assert time.monotonic() - begin < 300


def test_reports_are_as_far_apart_as_they_should_be(
    stream: Stream, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("input_pipeline.watchdog._POLL_SECONDS", 0.05)
    batches = stream.batches(threads=1, watchdog=Watchdog(0.3, reports=3, report=lambda text: None))
    began = time.monotonic()
    with pytest.raises(StreamStalled):
        next(batches)
    assert 0.9 <= time.monotonic() - began < 8
