"""What an entry of data.sources may say."""

from __future__ import annotations

import pytest

from input_pipeline.sources import open_source


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"format": "arrayrecord", "path": "x"},
            "'arrayrecord' is not one of .*; did you mean 'array_record'",
        ),
        ({"format": "parquet", "path": ""}, "empty path"),
        ({"format": "webdataset", "path": "a/{3..2}.tar"}, "range in a/.* is empty"),
        ({"format": "array_record", "path": "x", "columns": {"captoins": "a"}}, "did you mean 'captions'"),
    ],
)
def test_a_misspelt_word_is_an_error_with_the_nearest(entry: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_source(entry)
