"""`--job=concept`: answers are asked for within the budget, and a probe of them is better than the phrases."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score

import main
from input_pipeline.errors import UserError
from vlp.active.annotators import annotator_of, read_answers
from vlp.active.concept import doubtful, fitted, log_odds, mined, text_scores

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
from PIL import Image
for line in sys.stdin:
    asked = json.loads(line)
    assert Image.open(asked["image"]).size == (64, 64) and asked["concept"] == "a face"
    print(json.dumps({"id": asked["id"], "yes": "face" in asked["tags"], "reason": "its tags"}))
"""


def test_a_hundred_answers_beat_the_phrases_and_no_more_are_asked() -> None:
    """In a world where the phrase points beside the concept."""
    dice = np.random.default_rng(0)
    truth = dice.random(4000) < 0.05
    direction = dice.standard_normal(32) / np.sqrt(32)
    rows = dice.standard_normal((4000, 32)) + 3 * truth[:, None] * direction
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    phrase = (direction + 1.2 * dice.standard_normal(32) / np.sqrt(32))[None]
    first = scores = text_scores(rows, phrase, phrase[:0])
    asked = np.zeros(0, int)
    for number in range(4):
        free = np.setdiff1d(np.arange(4000), asked)
        new = (doubtful if number else mined)(scores, free, 25)
        assert len(np.unique(new)) == 25 and not np.isin(new, asked).any()
        asked = np.concatenate([asked, new])
        scores = log_odds(fitted(rows[asked], truth[asked], 0.1), rows)
    left = np.setdiff1d(np.arange(4000), asked)  # what was answered is in no figure
    learned, before = (average_precision_score(truth[left], one[left]) for one in (scores, first))
    assert learned > before + 0.05, (learned, before)


def concept(checkpoint: Path, output: Path, *more: str) -> int:
    given = (
        "--config.concept.positive=('a face',)",
        "--config.concept.budget=40",
        "--config.concept.rounds=2",
    )
    source = f"--source={ROOT / 'data/quickstart/val.parquet'}"
    return main.main(
        ["--job=concept", f"--checkpoint={checkpoint}", f"--output={output}", source, *given, *more]
    )


@pytest.mark.slow
def test_a_command_answers_within_the_budget(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program, output = tmp_path / "annotate.py", tmp_path / "out"
    program.write_text(PROGRAM)
    command = f"--config.concept.annotator={sys.executable} {program}"
    assert concept(checkpoint, output, command) == 0, capsys.readouterr().err
    answers = [json.loads(line) for line in (output / "answers.jsonl").read_text().splitlines()]
    tags = {row["id"]: row["tags"] for row in pq.read_table(ROOT / "data/quickstart/val.parquet").to_pylist()}
    assert len(answers) == 40 and all(one["yes"] == ("face" in tags[one["id"]]) for one in answers)
    assert answers[0]["reason"] == "its tags"
    scores = [json.loads(line) for line in (output / "scores.jsonl").read_text().splitlines()]
    assert len(scores) == len(tags) and [one["score"] for one in scores] == sorted(
        (one["score"] for one in scores), reverse=True
    )
    kept = (output / "kept.txt").read_text().split()
    assert kept == [one["id"] for one in scores if one["score"] >= 0]

    # Again: nothing is asked any more, so a program that would fail does not matter.
    before = (output / "scores.jsonl").read_bytes()
    assert concept(checkpoint, output, "--config.concept.annotator=false") == 0
    assert (output / "scores.jsonl").read_bytes() == before
    assert concept(checkpoint, tmp_path / "b", "--config.concept.annotator=false") == 2
    assert "'false' ended with 1" in capsys.readouterr().err
    assert concept(checkpoint, tmp_path / "c", "--config.concept.annotator=label:nothing") == 2
    assert "40 answers, all of them alike" in capsys.readouterr().err
    assert concept(checkpoint, tmp_path / "d", "--config.concept.positive=()") == 2


def test_answers_are_read_or_refused_by_their_line(tmp_path: Path) -> None:
    assert read_answers(['{"id": 7, "yes": 1, "why": "x"}', ""], "f") == {
        "7": {"id": 7, "yes": True, "why": "x"}
    }
    for line in ('{"id": 7}', '{"id": 7, "yes": "maybe"}', "none"):
        with pytest.raises(ValueError, match="f, line 1, must be"):
            read_answers([line], "f")
    asked: list[Any] = []
    with pytest.raises(ValueError, match="there is no file"):
        annotator_of(str(tmp_path / "a.jsonl"), "")(asked)
    with pytest.raises(ValueError, match="is empty"):
        annotator_of("", "")
    with pytest.raises(UserError, match="'say \"yes' is no command line: No closing quotation"):
        annotator_of('say "yes', "")
