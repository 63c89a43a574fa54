"""`--job=compare`, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import main


@pytest.fixture
def evaluations(tmp_path: Path) -> list[str]:
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    for number, path in enumerate(paths):
        path.write_text(json.dumps({"zero_shot/val/top1": 0.2 + number / 10}))
    return [str(path) for path in paths]


def test_compare_prints_tables_and_leaves_them_with_a_page(
    evaluations: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made" / "comparison.md"
    assert main.main(["--job=compare", evaluations[0], f"--output={output}", evaluations[1]]) == 0
    printed = capsys.readouterr().out
    assert "| zero_shot/val/top1 | 20.0% | 30.0% |" in printed and "+10.0" in printed
    assert output.read_text() in printed
    assert "Comparison of runs" in output.with_suffix(".html").read_text()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--job=compare"], "--job=compare needs runs"),
        (["--job=compare", "nowhere"], "nowhere is no run"),
        (["--job=inspect", "runs/a"], "'runs/a' is not a flag"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(arguments) == 2
    error = capsys.readouterr().err
    assert expected in error and len(error.splitlines()) == 1
