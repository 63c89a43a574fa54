"""`--job=describe`: from the tags of the sources to a file of descriptions that evaluators read."""

from __future__ import annotations

from pathlib import Path

import pytest

import main
from vlp.evaluation.texts.descriptions import load_descriptions


def test_the_job_describes_every_class_that_has_tags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "descriptions.json"
    assert main.main(["--job=describe", f"--output={output}", "--config.describe.tags=3"]) == 0
    assert "classes" in capsys.readouterr().out
    sentences = load_descriptions(str(output))
    fish = sentences["animals-nature/animal-marine"]
    assert len(fish) == 6 and fish[1] == f"animal marine, animals nature: {fish[0]}"
    assert max(map(len, sentences.values())) == 6 and len(sentences) > 150


def test_the_job_describes_what_lies_at_a_source(tmp_path: Path, quickstart: Path) -> None:
    output, elsewhere = tmp_path / "descriptions.json", "--config.data.sources.quickstart.path=nowhere"
    source = f"--source={quickstart / 'val.parquet'}"
    assert main.main(["--job=describe", f"--output={output}", source, elsewhere]) == 0
    assert 0 < len(load_descriptions(str(output))) < 100


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "needs --output"),
        (("--output={folder}/x.json", "--config.describe.templates=a {name}"), "has no {attribute}"),
        (
            ("--output={folder}/x.json", "--config.data.sources.quickstart.columns.tags="),
            "no record of quickstart has both a label and tags",
        ),
    ],
)
def test_what_the_job_lacks_is_said(
    arguments: tuple[str, ...], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = tuple(argument.replace("{folder}", str(tmp_path)) for argument in arguments)
    assert main.main(["--job=describe", *arguments]) == 2
    error = capsys.readouterr().err
    assert expected in error and len(error.splitlines()) == 1
    assert not (tmp_path / "x.json").exists()
