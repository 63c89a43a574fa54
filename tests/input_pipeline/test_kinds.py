"""Kinds that files of the input pipeline say they bring, found without importing them."""

from __future__ import annotations

import pytest

from input_pipeline.kinds import check_kind, find_kind, sources, streamed, suffixes, tokenizers

KNOWN = {"parquet": "json:loads", "gone": "no_such_package.module:Class", "lost": "json:no_such_name"}


def test_formats_endings_and_tokenizers_are_those_of_the_files() -> None:
    assert {"parquet", "webdataset", "folder", "csv", "coco", "known"} <= set(sources())
    assert sources()["parquet"].startswith("input_pipeline.sources.parquet:")
    assert set(tokenizers()) == {"sentencepiece", "clip", "siglip", "huggingface", "wordpiece"}
    assert tokenizers()["clip"] == "input_pipeline.tokenizers.clip:ClipTokenizer"
    assert streamed() == {"webdataset": ".tar", "parquet": ".parquet", "array_record": ".array_record"}
    endings = list(suffixes())
    assert suffixes()[".parquet"] == "parquet" and suffixes()[".tar"] == "webdataset"
    # What may lie beside others, such as tables of statistics, comes behind them.
    assert endings.index(".tar") < endings.index(".csv")


def test_a_name_is_a_known_one_or_of_somebody_s_package() -> None:
    check_kind(KNOWN, "parquet", "format")
    check_kind(KNOWN, "package.module:Class", "format")
    with pytest.raises(
        ValueError, match="format='parket' is not one of parquet, gone, lost; did you mean 'parquet'"
    ):
        check_kind(KNOWN, "parket", "format")
    with pytest.raises(
        ValueError, match=r"format='xyz' is not one of .*, nor package.module:Class of a package"
    ):
        check_kind(KNOWN, "xyz", "format")


def test_what_is_named_is_imported_or_said_to_be_missing() -> None:
    import json

    assert find_kind(KNOWN, "parquet", "format") is json.loads
    assert find_kind(KNOWN, "json:dumps", "format") is json.dumps
    for name, message in (
        ("gone", "there is no module 'no_such_package' to import"),
        ("no_such_package:Class", "there is no module 'no_such_package' to import"),
        ("lost", "format='lost': "),
    ):
        with pytest.raises(ValueError, match=message):
            find_kind(KNOWN, name, "format")
