"""CLIP-score filtering: the best share or all above a threshold, and one line for embeddings of something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from chosen_embeddings import decided, item, step_of, write_folder

from vlp.curation.clip_score import ClipScore
from vlp.curation.embedded import open_embedded

ANGLES = {f"r{number}": number / 10 for number in range(8)}  # from the text, in radians


@pytest.fixture
def some(embedded: Callable[..., str]) -> str:
    """Eight images around one text; two are equally far from it."""
    images = {name: (np.cos(angle), np.sin(angle)) for name, angle in {**ANGLES, "r3": 0.2}.items()}
    return embedded(images, {"a dog": (1, 0), "a cat": (0, 1)})


def test_the_best_share_stays_and_equals_stay_together(some: str) -> None:
    step = step_of(ClipScore, embeddings=some, keep=0.375)
    made = decided(step, [item(name, "a dog") for name in ANGLES])
    assert [one.reason for one in made] == [""] * 4 + [
        "low score"
    ] * 4  # three of eight, and one that is as good
    np.testing.assert_allclose(
        [one.scores["score"] for one in made], np.cos([0, 0.1, 0.2, 0.2, 0.4, 0.5, 0.6, 0.7]), rtol=1e-6
    )
    assert step.facts()["scored"] == 8
    quantiles = {"0%": 0.7, "10%": 0.6, "25%": 0.5, "50%": 0.2, "75%": 0.2, "90%": 0.1, "100%": 0.0}
    expected = {share: float(np.cos(angle)) for share, angle in quantiles.items()}
    assert step.facts()["quantiles"] == pytest.approx(expected, rel=1e-6)


def test_a_share_of_nothing_is_refused_and_at_least_one_stays(some: str) -> None:
    step = step_of(ClipScore, embeddings=some, keep=0.01)
    assert [not one.reason for one in decided(step, [item(name, "a dog") for name in ANGLES])] == [
        True,
        *[False] * 7,
    ]
    with pytest.raises(ValueError, match=r"clip_score: no record has both an image and a text embedding"):
        decided(step, [item("r9", "a dog"), item("r0", "a bird")])


def test_rows_come_in_pieces_and_a_folder_without_texts_is_refused(some: str) -> None:
    pieces = list(open_embedded(some).images("web").chunks(2))
    assert [len(piece) for piece in pieces] == [2, 1, 2, 1, 2]
    angles = [*ANGLES.values()]
    angles[3] = 0.2
    np.testing.assert_allclose(np.concatenate(pieces)[:, 0], np.cos(angles), rtol=1e-6)
    index = Path(some) / "index.json"
    index.write_text(index.read_text().replace("curation/text", "curation/other"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"holds no embeddings of texts: run --job=embed"):
        len(open_embedded(some).texts)


def test_a_threshold_needs_no_look_at_all_records(some: str) -> None:
    step = step_of(ClipScore, embeddings=some, threshold=float(np.cos(0.45)))
    assert not step.surveys
    assert [not one.reason for one in decided(step, [item(name, "a dog") for name in ANGLES])] == [
        True
    ] * 5 + [False] * 3


@pytest.mark.parametrize(("of", "expected"), [("first", 0.0), ("best", 1.0)])
def test_one_of_several_texts_counts(some: str, of: str, expected: float) -> None:
    step = step_of(ClipScore, embeddings=some, of=of, threshold=-1.0)
    assert step(item("r0", "unknown", "a cat", "a dog")).scores["score"] == pytest.approx(expected, abs=1e-6)


def test_what_has_no_score_is_dropped_under_its_reason(some: str) -> None:
    step = step_of(ClipScore, embeddings=some, keep=1.0)
    made = decided(step, [item("r0", "a dog"), item("r9", "a dog"), item("r1", "a bird"), item("r2")])
    assert [one.reason for one in made] == [
        "",
        "no image embedding",
        "no text embedding",
        "no text embedding",
    ]


def test_an_id_of_two_images_is_nobody_s_unless_they_are_alike(some: str) -> None:
    shard = Path(some) / "web" / "image"
    for name, other in (("r0", "r1"), ("r2", "r3")):  # r2 and r3 have the same embedding
        for file in shard.glob("*.json"):
            file.write_text(file.read_text().replace(f'"{other}"', f'"{name}"'))
    (Path(some) / "index.json").touch()  # a folder that is written anew is opened anew
    step = step_of(ClipScore, embeddings=some, threshold=-1.0)
    assert step(item("r0", "a dog")).reason == "id of several images"
    assert step(item("r2", "a dog")).reason == "" and step(item("r1", "a dog")).reason == "no image embedding"


def test_embeddings_of_something_else_are_refused_in_a_line(some: str, tmp_path: Path) -> None:
    step = step_of(ClipScore, embeddings=some)
    step.check_fits("web", ["x", "r1"])
    with pytest.raises(
        ValueError, match="another source 'web': none of 2 records looked at is there, such as 'x'"
    ):
        step.check_fits("web", ["x", "y"])
    with pytest.raises(ValueError, match="no embeddings of the images of source 'mine', only web/image"):
        step.check_fits("mine", ["r1"])
    with pytest.raises(ValueError, match=r"has no index\.json"):
        step_of(ClipScore, embeddings=str(tmp_path)).given()
    with pytest.raises(ValueError, match=r"--config\.curate\.embeddings=FOLDER"):
        step_of(ClipScore).given()
    other = write_folder(tmp_path / "other", {"r0": (1, 0)}, {"a dog": (1, 0)}, checkpoint="decaf")
    assert step_of(ClipScore, embeddings=other).given() != step.given()  # which another request is
