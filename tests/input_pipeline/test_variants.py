"""Fixed views of an image are those of its id, and tables have values of what is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from input_pipeline.fields import Batch
from input_pipeline.sources import open_source
from input_pipeline.stream import make_stream
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.variants import FixedViews

IMAGE = {"crop_scale": (0.1, 0.9), "crop_ratio": (0.5, 2.0), "flip": True, "rand_augment": (2, 9)}
REST = {
    "affine": (0.0, 0.0, 1.0, 1.0),
    "color_jitter": (0.0, 0.0, 0.0, 0.0),
    "color_jitter_probability": 0.8,
    **dict.fromkeys(("grayscale", "blur", "solarize"), 0.0),
    "blur_sigma": (0.1, 2.0),
}
SPEC = {"resolution": 8, "resize": "pad"}


@pytest.fixture
def draw(tokenizer: Tokenizer, write_parquet: Callable[..., Path]) -> Callable[..., Batch]:
    path = write_parquet(5)

    def batch(*fields: str, seed: int = 1, **data: Any) -> Batch:
        settings = {
            "sources": {"a": {"format": "parquet", "path": str(path), "weight": 1.0}},
            "image": IMAGE | REST,
            "text": {"choice": "uniform"},
        }
        options: dict[str, Any] = {"preprocessing": SPEC, "tokenizer": tokenizer, "batch_size": 40}
        return make_stream(settings | data, seed=seed, fields=fields, **options).host_batches()(0)

    return batch


def write(path: Path, **columns: Any) -> dict[str, str]:
    path.parent.mkdir()
    pq.write_table(pa.table(columns), path)
    return {"path": str(path)}


def test_the_stream_shows_the_views_that_are_stored_whatever_its_seed(
    draw: Callable[..., Batch], tmp_path: Path
) -> None:
    data = {"variants": 3}
    records = open_source({"format": "parquet", "path": str(next(tmp_path.glob("*.parquet")))})
    views = FixedViews.build(SPEC, IMAGE | REST, 3)
    stored = {row: np.stack(views(records[row].id, records[row].image or b"")) for row in range(5)}
    ids = [records[row].id for row in range(5)]
    numbers = np.repeat(np.arange(5), 3)
    entry = write(
        tmp_path / "side" / "rows.parquet",
        id=[ids[row] for row in numbers],
        view=list(range(3)) * 5,
        taught=[[float(row), float(view)] for row, view in zip(numbers, list(range(3)) * 5, strict=True)],
    )
    seen = []
    for seed in (1, 2):
        batch = draw("image", "taught", seed=seed, tables={"taught": {**entry, "of": "image"}}, **data)
        for pixels, (row, view) in zip(batch["image"], batch["taught"].astype(int), strict=True):
            np.testing.assert_array_equal(pixels, stored[row][view])
        np.testing.assert_array_equal(batch["taught"][:, 0], batch["own"][:, 1])
        assert set(batch["taught"][:, 1]) == {0, 1, 2}
        seen.append(batch["taught"])
    assert (seen[0] != seen[1]).any() and (stored[0][0] != stored[0][1]).any()
    with pytest.raises(ValueError, match=r"values of 3 fixed views of an image, and data\.variants=0"):
        draw("taught", tables={"taught": {**entry, "of": "image"}})


def test_values_of_texts_are_those_of_the_texts_that_are_shown(
    draw: Callable[..., Batch], tmp_path: Path, tokenizer: Tokenizer
) -> None:
    source = next(tmp_path.glob("*.parquet"))
    records = open_source({"format": "parquet", "path": str(source)})
    texts = [(records[row].id, caption.text) for row in range(5) for caption in records[row].captions]
    entry = write(
        tmp_path / "side" / "texts.parquet",
        id=[one for one, _ in texts],
        text=[text for _, text in texts],
        rows=[[float(number)] for number in range(len(texts))],
    )
    tables = {
        "one": {**entry, "column": "rows", "of": "text"},
        "more": {**entry, "column": "rows", "of": "two"},
    }
    batch = draw("text", "one", "two", "more", tables=tables, text_views={"two": {"count": 2}})
    for field, name in (("text", "one"), ("two", "more")):
        shown = [texts[int(number)][1] for number in batch[name].reshape(-1)]
        ids = tokenizer.tokens(shown, [""] * len(shown))[0]
        np.testing.assert_array_equal(batch[field].reshape(ids.shape), ids)
    assert batch["more"].shape == (40, 2, 1) and not batch["replaced"].any()
    for of, said in (("three", "is not one of image, text, two"), ("text", "not one of skip")):
        wrong = {"one": {**tables["one"], "of": of, "missing": "fill" if of == "text" else "skip"}}
        with pytest.raises(ValueError, match=said):
            draw("one", tables=wrong, text_views={"two": {"count": 2}})
