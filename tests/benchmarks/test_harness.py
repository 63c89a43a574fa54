"""What all benchmarks share, and that each of them says how it is used."""

from __future__ import annotations

import itertools
import re
import runpy
import sys
from pathlib import Path

import pytest

from benchmarks.harness import alternated

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for file in (ROOT / "benchmarks").rglob("*.py")
    if "__main__" in file.read_text(encoding="utf-8")
)


def test_contestants_take_turns_and_are_compared_round_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, order = itertools.count(0.0), []
    costs = {"one": 1.0, "two": 3.0}
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    monkeypatch.setattr("time.process_time", lambda: next(clock))

    def contestant(name: str) -> str:
        order.append(name)
        now[0] += costs[name]
        return name

    times = alternated({name: lambda name=name: contestant(name) for name in costs}, rounds=3)
    assert order == ["one", "two"] * 3
    assert times["two"].seconds == 3.0 and times["two"].to(times["one"]) == 3.0
    assert times["one"].result == "one" and times["one"].processor == [1.0] * 3


def test_only_the_harness_reads_a_clock_that_is_reported() -> None:
    """Others wait (`time.sleep`) and give up (`time.monotonic`), and time by `Times`."""
    clocks = re.compile(r"\b(perf_counter|process_time|default_timer)\b")
    files = [file for file in (ROOT / "benchmarks").rglob("*.py") if file.parent.name != "fuzz"]
    assert [file.stem for file in files if clocks.search(file.read_text(encoding="utf-8"))] == ["harness"]


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")  # by another of these tests
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_benchmark_says_how_it_is_used(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "--help"])
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as left:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    assert not left.value.code and "usage" in capsys.readouterr().out.lower()
