"""What a page shows around an evaluation: training curves, the runs beside it, and nothing where there is nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from page_examples import HARM, findings, pictures

from vlp.evaluation.exhibits import BoxedPicture, Boxes, Table
from vlp.evaluation.page.around import MOST_RUNS, Around, around, sections
from vlp.evaluation.page.evaluation import evaluation_page
from vlp.evaluation.raster import pictures as rastered

FIGURES = {"zero_shot/val/top1": 0.25, "retrieval/val/text_to_image/median_rank": 4.0}


def write(folder: Path, figures: dict[str, float] | str, when: int) -> Path:
    folder.mkdir(parents=True)
    file = folder / "results.json"
    file.write_text(figures if isinstance(figures, str) else json.dumps(figures))
    os.utime(file, (when, when))
    return file


def test_nothing_is_shown_where_there_is_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "runs" / "own", FIGURES, 1)
    write(tmp_path / "runs" / "again", FIGURES, 2)
    write(tmp_path / "runs" / "broken", "{", 3)
    write(tmp_path / "runs" / "of other things", {"dense/val/miou": 0.1}, 4)
    known = around(file, FIGURES)
    assert known == Around() and sections(known, FIGURES) == []
    assert evaluation_page("A", {}, findings(), known) == evaluation_page("A", {}, findings())


def test_a_run_is_shown_with_its_curves_and_beside_the_newest_others(tmp_path: Path) -> None:
    file = write(tmp_path / "own", FIGURES, 0)
    lines = [
        {"step": n, "loss": 1 / n, "contrastive/loss": 1.0, "learning_rate": 0.1, "mfu": 1} for n in (1, 2, 3)
    ]
    (tmp_path / "own" / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    for number in range(MOST_RUNS + 2):
        write(tmp_path / f"run {number}", {"zero_shot/val/top1": number / 10}, number)
    known = around(file, FIGURES)
    assert set(known.curves) == {"loss", "contrastive/loss", "learning_rate"} and known.others == 2
    assert list(known.beside) == [f"run {number}" for number in range(MOST_RUNS + 1, 1, -1)]
    page = evaluation_page("A", {}, findings(), known)
    assert page.count("<polyline") == evaluation_page("A", {}, findings()).count("<polyline") + 3
    training, beside = sections(known, FIGURES)
    assert (training.title, beside.title) == ("Training", "Beside earlier runs")
    assert (
        "25.0%" in str(beside.content)
        and "70.0%" in str(beside.content)
        and "2 older ones" in str(beside.content)
    )
    assert str(beside.content).count("<tr>") == 3  # the head, and a figure each


def test_exhibits_are_pictures_where_pictures_alone_are_shown() -> None:
    shown = findings(text=HARM).exhibits
    boxes = Boxes("Boxes", [BoxedPicture(pictures(1)[0], np.array([[0.1, 0.1, 0.5, 0.6]]), ["a cat"])])
    found = dict(rastered({**shown, "detector": [boxes, Table("none", [], [])]}))
    kinds = [name.partition("/")[0] for name in found]
    assert (kinds.count("zero_shot"), kinds.count("retrieval"), kinds.count("detector")) == (4, 1, 1)
    for name, picture in found.items():
        assert picture.dtype == np.uint8 and picture.shape[2] == 3 and np.ptp(picture) > 100, name
    grid = found["retrieval/Captions and the images found for them, val"]
    assert grid.shape == (3 * 100, 6 * 100, 3)
    frames = grid[[2, 102, 202], 100 * np.arange(1, 6)[:, None] + 50]  # of what was found, from above
    right = shown["retrieval"][-3].searches
    for row, search in enumerate(right):
        assert [bool(frame[1] > frame[0]) for frame in frames[:, row]] == [
            bool(one) for one in search.right[:5]
        ]
