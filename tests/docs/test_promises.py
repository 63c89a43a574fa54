"""What the documents for pods promise names the test that holds it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHECK = re.compile(r"`((?:tests|benchmarks)/[\w/]+(?:\.py)?)`")


def test_every_promise_about_what_happens_names_a_test_and_every_test_named_is_there() -> None:
    reliability, scale = ((ROOT / "docs" / name).read_text() for name in ("reliability.md", "scale.md"))
    rows = [
        line for line in reliability.splitlines() if line.startswith("| ") and not line.startswith("| --")
    ]
    promises = [row for row in rows if not row.startswith("| what happens |")]
    assert len(promises) > 40 and not [row for row in promises if not CHECK.search(row.rsplit(" | ", 1)[1])]
    named = {*CHECK.findall(reliability), *CHECK.findall(scale)}
    assert len(named) > 25 and not [name for name in named if not (ROOT / name).exists()]
