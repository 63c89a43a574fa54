"""What figures are over: the data, the settings, and what was left out, as data and in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from vlp.evaluation.provenance import in_words, left_out, provenance, skipped_records


class Sets(dict[str, Any]):
    """Says of its sets what those of a run say."""

    origins: ClassVar = {
        name: {"format": "parquet", "path": f"{name}.parquet"} for name in ("val", "train", "other")
    }
    sizes: ClassVar = {"val": 1200, "train": 5}
    skipped: ClassVar = {"val": {"unreadable": 1000, "too_large": 2}, "other": {"unreadable": 9}}


@dataclass(frozen=True)
class Some:
    name: str
    sets: tuple[str, ...]
    data: Any = field(default_factory=Sets)
    every: int = 0
    final: bool = True
    templates: str = ""


EVALUATORS = [
    Some("zero_shot", ("val",), templates="imagenet"),
    Some("probe", ("train",)),
    Some("bare", ("val",), {}),
]


def test_only_the_sets_that_are_used_are_told_with_settings_that_matter() -> None:
    found = provenance(EVALUATORS, checkpoint="runs/a", step=3)
    assert list(found)[:2] == ["checkpoint", "step"]
    assert found["data"].keys() == {"val", "train"} and found["images"] == Sets.sizes
    assert found["skipped"] == skipped_records(EVALUATORS) == {"val": Sets.skipped["val"]}
    assert found["templates"] == {"zero_shot": "imagenet"}
    assert found["evaluators"]["probe"] == {"sets": ("train",), "templates": ""}


def test_a_page_says_it_in_words() -> None:
    words = in_words(provenance(EVALUATORS, checkpoint="runs/a", step=3, others=[1]))
    assert words == {
        "checkpoint": "runs/a",
        "step": "3",
        "data": "val: 1,200 images, parquet, val.parquet; train: 5 images, parquet, train.parquet",
        "evaluators": "zero_shot, probe, bare",
        "templates": "imagenet of zero_shot",
        "left out": "val: 1,002 records could not be used (1,000 unreadable, 2 too_large)",
    }
    words = in_words(provenance(EVALUATORS[1:2]))
    assert words["left out"] == "nothing" and "templates" not in words and left_out({}) == []
