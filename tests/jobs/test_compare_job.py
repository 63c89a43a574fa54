"""`--job=compare`, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import main
from vlp.evaluation.outcomes import outcomes_to_bytes
from vlp.training.writers import write_results


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


def test_a_difference_has_the_unit_of_its_figure_and_one_run_decides_nothing(tmp_path, capsys):
    ks, paths = (1, 5, 10), []
    for number in range(2):
        path = tmp_path / f"_run_<b>{number}*" / "evaluations" / "retrieval.json"
        path.parent.mkdir(parents=True)
        recalls = {f"retrieval/val/recall@{k}": (k + number) / 20 for k in ks}
        figures = {
            **recalls,
            "retrieval/val/rsum": 0.15 + number / 40,
            "retrieval/val/mean_rank": 7.25 - number,
        }
        write_results(path, figures, {"checkpoint": "x"})
        path.with_suffix(".npz").write_bytes(
            outcomes_to_bytes({name: np.arange(9.0) + value for name, value in recalls.items()})
        )
        paths.append(str(path))
    output = tmp_path / "comparison.md"
    assert main.main(["--job=compare", *paths, f"--output={output}"]) == 0
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in output.read_text().splitlines()
        if "|" in line
    ]
    levels = [row for row in rows if row[0].startswith("retrieval") and len(row) == 3]
    names = [f"retrieval/val/{name}" for name in ("mean_rank", "recall@1", "recall@5", "recall@10", "rsum")]
    assert [row[0] for row in levels] == names and levels[-1][1:] == ["15.0", "17.5"]
    differences = {row[0]: row[2:] for row in rows if len(row) == 6}
    assert (
        differences["retrieval/val/rsum"][0] == "+2.50"
        and differences["retrieval/val/mean_rank"][0] == "-1.00"
    )
    assert differences["retrieval/val/recall@5"][0] == "+5.0"
    assert {row[-1] for name, row in differences.items() if name.startswith("retrieval")} == {"-"}
    assert "\\_run\\_\\<b\\>0\\*/evaluations" in output.read_text()
    assert "provenance" not in capsys.readouterr().out


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


def test_a_run_that_has_diverged_is_shown_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / "good.json", tmp_path / "diverged.json"]
    for path, value in zip(paths, (0.5, float("nan")), strict=True):
        path.write_text(json.dumps({"zero_shot/val/top1": value, "zero_shot/val/top5": 0.75}))
    output = tmp_path / "comparison.md"
    assert main.main(["--job=compare", *map(str, paths), f"--output={output}"]) == 0
    printed = capsys.readouterr().out
    assert (
        "| zero_shot/val/top1 | 50.0% | nan% |" in printed
        and "| zero_shot/val/top5 | 75.0% | 75.0% |" in printed
    )
    page = output.with_suffix(".html").read_text()
    assert "nan%" in page and "NaN" not in page and '"nan"' not in page  # nor is it a place in a drawing


@pytest.mark.parametrize("value", ["0.5", None, True, [0.5], {}])
def test_a_figure_that_is_no_number_is_one_line(
    value: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"zero_shot/val/top1": value}))
    assert main.main(["--job=compare", str(path), f"--output={tmp_path / 'comparison.md'}"]) == 2
    assert (
        capsys.readouterr().err
        == f"error: {path}: zero_shot/val/top1 is {value!r}, and figures are numbers\n"
    )


@pytest.mark.parametrize(
    "line", ["5", "[1]", '{"loss": 1}', '{"step": 1, "loss": "x"}', '{"step": 1.5}', "null"]
)
@pytest.mark.parametrize("job", ["compare", "watch"])
def test_a_line_of_metrics_that_is_none_is_one_line(
    job: str, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text('{"steps": 1}')
    (tmp_path / "metrics.jsonl").write_text(f'{line}\n{{"step": 1, "loss": NaN}}\n')
    given = [str(tmp_path)] if job == "compare" else [f"--workdir={tmp_path}", "--seconds=0"]
    assert main.main([f"--job={job}", *given]) == 2
    said = capsys.readouterr().err
    assert (
        said.startswith(f"error: {tmp_path / 'metrics.jsonl'}:1 is not a line of numbers")
        and said.count("\n") == 1
    )
