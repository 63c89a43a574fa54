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
from input_pipeline.inspect.report import survey_table
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


def test_what_chooses_and_finds_records_is_not_asked_for_again(
    data: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    source = open_source(data["sources"]["mine"])
    data["sources"]["mine"] |= {"image_folder": str(tmp_path), "only": "source=elsewhere", "shots": 9}
    data["sources"]["mine"] |= {"keep_ids": "gone.txt", "keep_labels": "gone.json", "fraction": 0.1}
    data["sources"]["mine"] |= {
        "captions_by_id": "gone.jsonl",
        "regions_by_id": "gone.jsonl",
        "prefix": "see",
    }
    (row,) = visits(
        "mine", source, [3], 2, data=data, preprocessing=PREPROCESSING, tokenizer=tokenizer, seed=1
    )
    assert {visit.text for visit in row.visits} <= {"see data 3", "see a picture of data 3"}


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


@pytest.mark.parametrize(
    ("workers", "threads", "cores", "sentence"),
    [
        (0, 2, 16, "6 of 16 cores can help: --config.data.workers=3 --config.data.threads=2"),
        (2, 2, 16, "6 of 16 cores can help"),
        (3, 2, 16, ""),
        (0, 6, 16, ""),
        (0, 1, 4, "4 of 4 cores can help: --config.data.workers=0 --config.data.threads=4"),
    ],
)
def test_more_cores_are_asked_for_where_fewer_are_used(
    workers: int, threads: int, cores: int, sentence: str
) -> None:
    data = {"workers": workers, "threads": threads}
    said = advice(100, 500, STAGE_TIMES, data, cores=cores, resolution=224)
    assert any(sentence in one for one in said) if sentence else not any("can help" in one for one in said)
    assert any("at most about" in one for one in said) == (cores < 6)
    slow = {**STAGE_TIMES, "augment": 9e-3}
    assert not any("max_side" in one for one in advice(100, 500, slow, data, cores=cores, resolution=224))
    assert len(advice(600, 500, STAGE_TIMES, data, cores=cores, resolution=224)) == 1  # 1.2 times is enough


def test_a_survey_is_a_paragraph_of_aligned_lines() -> None:
    spread_out = {"min": 1.0, "median": 2.4, "max": 3000.0, "mean": 2.25}
    figures = {
        "records": 3000,
        "in_use": 1200,
        "looked_at": 100,
        "usable": 90,
        "bad": {"no_caption": 10},
        "bad_examples": {"no_caption": ["record 3: none"]},
        "near_duplicates": 5,
        "images": {
            "formats": {"PNG": 60, "JPEG": 40},
            "width": spread_out,
            "height": spread_out,
            "bytes": spread_out,
        },
        "tags": {"distinct": 9, "top": {f"t{place}": 9 - place for place in range(9)}},
        "labels": {"distinct": 0, "top": {}},
        "captions": {
            "per_record": spread_out,
            "usable_per_record": spread_out,
            "tokens": spread_out,
            "truncated_share": 0.125,
            "length": 77,
            "kinds": {"": 8},
            "languages": {f"l{place}": 1 for place in range(8)},
        },
    }
    lines = survey_table("mine", figures).split("\n")
    assert lines[0] == "source 'mine'" and lines[-1] == ""
    found = {line[2:22].strip() or "example": line[23:] for line in lines[1:-1]}
    said = "1 to 3,000{}, median 2, mean 2.2"
    tags = ", ".join(f"t{place} {9 - place}" for place in range(8))
    assert found == {
        "records": "1,200 of 3,000 in use; looked at: a sample of 100, evenly spread",
        "usable": "90 (90.0%)",
        "bad: no caption": "10 (10.0%)",
        "example": "record 3: none",
        "near-duplicates": "5 (5.0%)",
        "formats": "PNG 60, JPEG 40",
        "width": said.format(" px"),
        "height": said.format(" px"),
        "bytes an image": said.format(""),
        "tags": f"9 distinct; {tags}, ...",
        "labels": "0 distinct; none",
        "captions a record": said.format(""),
        "of these usable": said.format(""),
        "tokens a caption": f"{said.format('')}; 12.5% are cut at 77",
        "kinds": "(none) 8",
        "languages": ", ".join(f"l{place} 1" for place in range(8)),
    }
    whole = {"records": 5, "in_use": 5, "looked_at": 5, "usable": 0, "bad": {}, "bad_examples": {}}
    assert survey_table("a", whole).split("\n")[1].endswith("5; looked at: all")


def test_a_text_as_long_as_a_row_is_not_cut(encode: Callable[..., bytes], tokenizer: Tokenizer) -> None:
    class Two:
        def __init__(self, words: int) -> None:
            self.image, self.text = encode(np.zeros((8, 8, 3), np.uint8), "PNG"), "red " * words

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Record:
            return Record("a", self.image, (Caption(self.text),))

    for words, share in ((14, 0.0), (15, 1.0)):  # beside begin and end, in a row of sixteen
        figures = survey(Two(words), range(1), TextView(), tokenizer, records=0, threads=1).figures
        assert figures["captions"]["truncated_share"] == share
