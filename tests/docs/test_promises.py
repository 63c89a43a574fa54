"""What the documents promise names the test that holds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECK = re.compile(r"`((?:tests|benchmarks)/[\w/]+(?:\.py)?)`")
NAMED = re.compile(r"`((?:tests|benchmarks)/[\w/.]*\w)(?:::(\w+))?`")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "launch" / "README.md"]
HELD = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_promise_about_what_happens_names_a_test_and_every_test_named_is_there() -> None:
    reliability, scale = ((ROOT / "docs" / name).read_text() for name in ("reliability.md", "scale.md"))
    rows = [
        line for line in reliability.splitlines() if line.startswith("| ") and not line.startswith("| --")
    ]
    promises = [row for row in rows if not row.startswith("| what happens |")]
    assert len(promises) > 40 and not [row for row in promises if not CHECK.search(row.rsplit(" | ", 1)[1])]
    named = {*CHECK.findall(reliability), *CHECK.findall(scale)}
    assert len(named) > 25 and not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize(("page", "least"), [("evaluation.md", 35), ("data.md", 30)])
def test_a_page_ends_with_the_tests_that_hold_it_and_each_of_them_is_there(page: str, least: int) -> None:
    text = (ROOT / "docs" / page).read_text()
    rows = text.partition("## Which test holds what\n")[2].strip().splitlines()[2:]
    assert len(rows) >= least and not [row for row in rows if not HELD.search(row)]
    missing = [
        f"{file}::{name}"
        for file, name in HELD.findall(text)
        if not (ROOT / file).exists() or f"\ndef {name}(" not in (ROOT / file).read_text()
    ]
    assert not missing
    assert not [file for file in CHECK.findall(text) if not (ROOT / file).exists()]


@pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.name if page.parent != ROOT / "launch" else "launch"
)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    named = NAMED.findall(page.read_text())
    assert not [file for file, _ in named if not (ROOT / file).exists()]
    assert not [
        f"{file}::{test}" for file, test in named if test and f"def {test}(" not in (ROOT / file).read_text()
    ]
