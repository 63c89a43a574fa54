"""Pictures painted anew: other colours, the same shapes, and the same bytes wherever they are painted."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from input_pipeline.records import BadRecord
from input_pipeline.sources import open_source
from input_pipeline.sources.rerendered import repainted

PATH = "data/quickstart/val.parquet"


def pixels(record):
    return np.asarray(Image.open(io.BytesIO(record.image)).convert("RGB"), np.float64)


def test_colours_are_others_and_all_else_stays():
    plain = open_source({"path": PATH, "columns": {"extras": "vendor"}})
    entry = {"format": "rerendered", "path": PATH, "columns": {"extras": "vendor"}}
    painted, copy = open_source(entry), pickle.loads(pickle.dumps(open_source(entry)))
    assert len(painted) == len(plain)
    moved = []
    for index in (3, 0, 41):
        before, after = plain[index], painted[index]
        assert copy[index] == after and after.source == "rerendered"
        for name in ("id", "captions", "tags", "label", "group", "extras"):
            assert getattr(after, name) == getattr(before, name)
        assert pixels(after).shape == pixels(before).shape
        moved.append(np.abs(pixels(after) - pixels(before)).mean())
    assert min(moved) > 15


def test_a_picture_is_painted_as_it_has_always_been():
    rows, columns = np.arange(16)[:, None] * 16, np.arange(24) * 10
    picture = np.stack(np.broadcast_arrays(rows, columns, np.full((16, 24), 77)), axis=-1).astype(np.uint8)
    painted = repainted(picture, np.random.default_rng(5))
    expected = [
        [[178, 173, 118], [103, 69, 95], [52, 8, 52]],
        [[109, 93, 83], [64, 20, 78], [86, 12, 55]],
        [[111, 74, 103], [67, 11, 66], [65, 8, 21]],
        [[54, 16, 68], [72, 10, 45], [108, 19, 14]],
    ]
    np.testing.assert_allclose(painted[::5, ::8].astype(int), expected, atol=1)


def test_every_record_is_painted_differently(write_parquet):
    source = open_source({"format": "rerendered", "path": str(write_parquet(2))})
    assert source[0].image.startswith(b"P6 ") and (pixels(source[0]).mean() != pixels(source[1]).mean())


def test_a_record_without_a_picture_is_a_bad_one(write_parquet):
    path = str(write_parquet(3, images={1: None}))
    source = open_source({"format": "rerendered", "path": path})
    assert source[0].image is not None
    with pytest.raises(BadRecord):
        source[1]
