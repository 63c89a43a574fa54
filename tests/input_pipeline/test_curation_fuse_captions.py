"""FuseCap and the regions of Image Textualization: nothing of a caption is lost, and what is new is added."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from configs.settings.setting import defaults
from input_pipeline.curation import Item, Step
from input_pipeline.curation.add_regions import AddRegions, place_of, size_of
from input_pipeline.curation.fuse_captions import FuseCaptions
from input_pipeline.curation.text import content_words
from input_pipeline.records import Caption, Record


def step_of(kind: type[Step], **settings: Any) -> Any:
    module = importlib.import_module(f"configs.settings.curation.{kind.__module__.rpartition('.')[2]}")
    return kind({**defaults(module.SETTINGS), **settings}, name="step", seed=0)


def item(identifier: str, *texts: str, tags: tuple[str, ...] = ()) -> Item:
    return Item(0, "web", Record(identifier, None, tuple(map(Caption, texts)), tags=tags))


def written(path: Path, *lines: dict[str, Any]) -> str:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return str(path)


def test_every_content_word_survives_and_something_is_new() -> None:
    step = step_of(FuseCaptions, most=2)
    caption, tags = "A red car on the road.", ("road", "red car", "wheel", "Wheel", "street light", "sky")
    made = step(item("r0", caption, "another", tags=tags))
    assert made.written.texts == ("A red car on the road., with wheel and street light",)
    assert content_words(caption) < content_words(made.written.texts[0])
    assert made.scores == {"added": 3, "by": "template"} and made.written.by == "template"
    assert step(item("r1", caption, tags=("car",))).written.texts == (caption,)  # there is nothing new
    assert step(item("r2")).reason == "no text"


def test_a_fused_text_of_a_file_is_taken_if_it_loses_no_word(tmp_path: Path) -> None:
    lines = [
        {
            "id": "r0",
            "texts": ["a shiny car", "a shiny red car on a road"],
            "by": "a model",
            "prompt": "fuse",
        },
        {"id": "r1", "texts": ["a blue car"], "by": "a model"},
    ]
    step = step_of(FuseCaptions, file=written(tmp_path / "fused.jsonl", *lines))
    made = [step(item(name, "red car", tags=("road",))) for name in ("r0", "r1", "r2")]
    assert made[0].written.texts == ("a shiny red car on a road",)
    assert (made[0].written.by, made[0].written.prompt) == ("a model", "fuse")
    assert [one.written.texts for one in made[1:]] == [("red car, with road",)] * 2
    assert [one.scores["by"] for one in made] == ["a model", "template", "template"]
    with pytest.raises(
        ValueError, match=r"fused\.jsonl has no line for any of 2 records looked at, such as 'x1'"
    ):
        step.check_fits("web", ["x0", "x1"])


def test_regions_that_a_caption_does_not_mention_are_added_with_size_and_place(tmp_path: Path) -> None:
    regions = [
        {"id": "r0", "box": [0, 0, 0.2, 0.2], "text": "a bird", "score": 0.5},
        {"id": "r0", "box": [0, 0, 1, 0.5], "text": "clouds", "score": 0.9},
        {"id": "r0", "box": [0.4, 0.4, 0.6, 0.9], "text": "the car", "score": 0.9},
        {"id": "r0", "box": [0.4, 0.4, 0.6, 0.9], "text": "a doubt", "score": 0.1},
        {"id": "r0", "box": [0.6, 0.4, 0.4, 0.9], "text": "upside down"},
        {"id": "r0", "box": [0, 0, 640, 480], "text": "in pixels"},
    ]
    step = step_of(AddRegions, regions=written(tmp_path / "regions.jsonl", *regions), least_score=0.3)
    made = step(item("r0", "A red car."))
    assert made.written.texts == ("A red car. Large clouds at the top. Small a bird at the top left.",)
    assert made.scores == {"added": 2, "bad_regions": 2}
    assert step(item("r1", "A red car.")).written.texts == ("A red car.",)
    step = step_of(AddRegions, regions=str(tmp_path / "regions.jsonl"), least_score=0.5, most=1)
    assert step(item("r0", "A red car.")).written.texts == ("A red car. Large clouds at the top.",)
    assert step(item("r0", "clouds, car")).written.texts == ("clouds, car. Small a bird at the top left.",)
    assert step(item("r2")).reason == "no text"


@pytest.mark.parametrize(
    ("box", "place", "size"),
    [
        ((0.0, 0.0, 1.0, 1.0), "in the middle", "large"),
        ((0.7, 0.7, 0.9, 0.9), "at the bottom right", "small"),
        ((0.4, 0.0, 0.6, 0.3), "at the top", ""),
        ((0.0, 0.3, 0.3, 0.7), "at the left", ""),
        ((0.0, 0.0, 0.8, 0.5), "at the top", "large"),
        ((0.0, 0.5, 0.8, 1.0), "at the bottom", "large"),
        ((0.75, 0.25, 1.0, 0.45), "at the right", ""),
        ((0.8, 0.4, 1.0, 0.6), "at the right", "small"),
    ],
)
def test_a_box_has_a_place_and_a_size(box: tuple[float, ...], place: str, size: str) -> None:
    assert (place_of(box), size_of(box)) == (place, size)
