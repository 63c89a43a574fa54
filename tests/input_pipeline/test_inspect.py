"""What inspection says of data that is known, and that its picture shows what the stream shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from input_pipeline.inspect.advice import advice
from input_pipeline.inspect.contact_sheet import TILE, contact_sheet
from input_pipeline.inspect.stages import STAGES, delivered_per_second, stage_seconds
from input_pipeline.inspect.survey import survey
from input_pipeline.inspect.visits import visits
from input_pipeline.records import BadRecord, Caption, Reason, Record
from input_pipeline.sources import open_source
from input_pipeline.subsets import spread
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.image import TrainingView
from input_pipeline.views.text import TextView

PREPROCESSING = {"resolution": 16, "resize": "pad", "mean": [0.5] * 3, "std": [0.5] * 3}
IMAGE = {"crop_scale": (1.0, 1.0), "crop_ratio": (1.0, 1.0), "flip": False, "resize": "pad"}
TEXT = {"choice": "uniform", "languages": ("", "en")}


class Known:
    """Twelve records of which everything is known; 3 has no image, 4 is broken, 5 speaks German only."""

    def __init__(self, encode: Callable[..., bytes]) -> None:
        dice = np.random.default_rng(0)
        self.images = [encode(dice.integers(0, 256, (10 + i, 20, 3), np.uint8), "PNG") for i in range(12)]
        self.images[11] = self.images[0]

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Record:
        if index == 2:
            raise BadRecord(Reason.UNREADABLE, "a gap")
        image = {3: None, 4: self.images[4][:40]}.get(index, self.images[index])
        language = "de" if index == 5 else "en"
        captions = (Caption(f"picture {index}", "title", language), Caption("word " * 40, "", "en"))
        return Record(
            str(index),
            image,
            captions[: 1 if index == 5 else 2],
            tags=("a", f"t{index}"),
            label=str(index % 2),
        )


def test_a_survey_counts_what_is_there(encode: Callable[..., bytes], tokenizer: Tokenizer) -> None:
    seen = survey(Known(encode), range(12), TextView(), tokenizer, records=0, threads=2)
    figures = seen.figures
    assert seen.good == (0, 1, 6, 7, 8, 9, 10, 11)
    assert seen.pictures == (0, 1, 5, 6, 7, 8, 9, 10, 11), "5 has no caption in English, but a picture"
    assert figures["bad"] == {"unreadable": 1, "missing_image": 1, "undecodable": 1, "no_caption": 1}
    assert "record 4" in figures["bad_examples"]["undecodable"][0]
    assert (figures["records"], figures["usable"], figures["near_duplicates"]) == (12, 8, 1)
    assert figures["images"]["formats"] == {"PNG": 9}
    assert (figures["images"]["height"]["min"], figures["images"]["height"]["max"]) == (10, 20)
    assert figures["captions"]["kinds"] == {"": 8, "title": 8}
    assert figures["captions"]["truncated_share"] == 0.5  # each record has a short and a long one
    assert figures["tags"]["distinct"] == 10 and figures["tags"]["top"]["a"] == 9
    assert figures["labels"] == {"distinct": 2, "top": {"1": 5, "0": 4}}
    part = survey(Known(encode), (1, 5, 7), TextView(), tokenizer, records=0, threads=1)
    assert part.good == (1, 7) and part.figures["in_use"] == 3 and part.figures["records"] == 12


def test_a_large_source_is_sampled_evenly() -> None:
    assert spread(10, 0) == spread(10, 99) == list(range(10))
    sample = spread(1000, 7)
    assert len(sample) == 7 and set(np.diff(sample)) <= {142, 143} and sample == spread(1000, 7)


@pytest.fixture
def data(write_parquet: Callable[..., Path]) -> dict[str, Any]:
    entry = {"format": "parquet", "path": str(write_parquet(20)), "weight": 1.0, "columns": {}}
    return {"sources": {"mine": entry}, "image": IMAGE, "text": TEXT, "workers": 0, "threads": 1}


def test_visits_are_those_of_training(data: dict[str, Any], tokenizer: Tokenizer) -> None:
    source = open_source(data["sources"]["mine"])
    numbers = [3, 8, 19]
    rows = visits(
        "mine", source, numbers, 5, data=data, preprocessing=PREPROCESSING, tokenizer=tokenizer, seed=1
    )
    view = TrainingView.build(PREPROCESSING, IMAGE)
    from input_pipeline.decode import open_picture

    texts = set()
    for number, row in zip(numbers, rows, strict=True):
        assert (row.number, row.record.id, len(row.visits)) == (number, f"data/{number}", 5)
        expected = view(open_picture(source[number].image or b""), np.random.default_rng(0))
        for visit in row.visits:  # nothing is random here but the choice of the caption
            np.testing.assert_array_equal(visit.pixels, expected)
            assert visit.text in (f"data {number}", f"a picture of data {number}") and not visit.cut
            texts.add(visit.text.startswith("a"))
    assert texts == {True, False}


def test_the_sheet_shows_the_pixels_and_survives_odd_texts(
    data: dict[str, Any], tokenizer: Tokenizer
) -> None:
    source = open_source(data["sources"]["mine"])
    rows = visits("mine", source, [0], 2, data=data, preprocessing=PREPROCESSING, tokenizer=tokenizer, seed=1)
    long = "x" * 500 + " \u4e00\u0001\u202e"
    object.__setattr__(rows[0].visits[0], "text", long)
    object.__setattr__(rows[0].visits[0], "cut", True)
    sheet = np.asarray(contact_sheet(rows, long))
    shown = np.asarray(
        Image.fromarray(rows[0].visits[1].pixels).resize((TILE, TILE), Image.Resampling.NEAREST)
    )
    windows = np.lib.stride_tricks.sliding_window_view(sheet[..., 0], (TILE, TILE))[:, ::1]
    places = np.argwhere((windows[:, :, :4, :4] == shown[:4, :4, 0]).all((2, 3)))
    assert any((sheet[y : y + TILE, x : x + TILE] == shown).all() for y, x in places)


def test_stages_and_delivery_are_measured(data: dict[str, Any], tokenizer: Tokenizer) -> None:
    stages = stage_seconds(data, PREPROCESSING, tokenizer, seed=0, seconds=0.05)
    assert tuple(stages) == STAGES and sum(stages.values()) > 0 and min(stages.values()) >= 0

    def batches() -> Any:
        while True:
            yield {"image": np.zeros((8, 2, 2, 3), np.uint8)}

    assert delivered_per_second(batches(), 3, 0.01) > 1000


STAGE_TIMES = {"read": 1e-4, "decode": 6e-3, "augment": 3e-3, "tokenise": 1e-4, "batch": 1e-4}


@pytest.mark.parametrize(
    ("delivered", "needed", "cores", "expected"),
    [
        (1000, 500, 8, ("keeps up: 2.0",)),
        (
            100,
            500,
            16,
            ("20% of what is needed", "Decode binds, with 65%", "6 cores", "workers=3", "max_side=448"),
        ),
        (100, 500, 2, ("2 of 2 cores", "threads=2", "at most about 215 images/s")),
    ],
)
def test_the_advice_fits_the_figures(
    delivered: float, needed: float, cores: int, expected: tuple[str, ...]
) -> None:
    data = {"workers": 0, "threads": 1}
    text = "\n".join(advice(delivered, needed, STAGE_TIMES, data, cores=cores, resolution=224))
    for part in expected:
        assert part in text
