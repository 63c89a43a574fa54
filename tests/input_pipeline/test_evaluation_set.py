"""Evaluation splits: whole, in order, and through the model's own preprocessing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from input_pipeline.decode import open_picture
from input_pipeline.evaluation_set import load_evaluation_set
from input_pipeline.images_on_demand import ImagesOnDemand
from input_pipeline.records import Reason
from input_pipeline.sources import open_source
from input_pipeline.views.image import EvaluationView

SPEC = {"resolution": 32, "resize": "pad", "mean": (0.5,) * 3, "std": (0.5,) * 3}


def test_entries_are_the_records_in_their_order(quickstart: Path) -> None:
    config = {"format": "parquet", "path": str(quickstart / "val.parquet"), "columns": {"label": "category"}}
    data = load_evaluation_set(config, SPEC)
    source = open_source(config)
    assert len(data) == len(source) == 201 and data.images.shape == (201, 32, 32, 3) and not data.skipped
    for index in (0, 57, 200):
        record = source[index]
        assert data.ids[index] == record.id and data.labels[index] == record.label
        assert data.tags[index] == record.tags and data.groups[index] == record.group
        assert data.captions[index] == tuple(c.text for c in record.captions if c.language == "en")
        expected = EvaluationView(SPEC)(open_picture(record.image or b""))
        np.testing.assert_array_equal(data.images[index], expected)
    np.testing.assert_array_equal(load_evaluation_set(config, SPEC, threads=7).images, data.images)
    assert set(data.translations) == {"de", "es", "fr", "it", "ja", "zh", "zh_CN"}
    german = load_evaluation_set(config, SPEC, languages=("de",))
    assert german.captions == data.translations["de"]
    assert {len(captions) for captions in german.captions} == {0, 1}


def test_rows_of_one_image_are_an_entry_with_all_their_captions(
    tmp_path: Path, encode: Callable[..., bytes]
) -> None:
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(encode(np.full((4, 4, 3), ord(name), np.uint8)))
    rows = ["a.png,one,x", "b.png,two,x", "a.png,three,x", "b.png,,x", "b.png,,x", "a.png,four,y"]
    (tmp_path / "rows.csv").write_text("\n".join(["image,caption,label", *rows]))
    data = load_evaluation_set({"format": "csv", "path": str(tmp_path / "rows.csv")}, SPEC)
    assert data.captions == (("one", "three"), ("two",), (), (), ("four",))
    assert data.ids == ("0", "1", "3", "4", "5") and data.labels == ("x", "x", "x", "x", "y")
    assert len(data) == len(data.images)
    assert data.images[:, 0, 0, 0].tolist() == [97, 98, 98, 98, 97]
    named = [f"{row},{name}" for row, name in zip(rows, ("i", "j", "i", "j", "j", "k"), strict=True)]
    (tmp_path / "ids.csv").write_text("\n".join(["image,caption,label,id", *named, "a.png,five,x,other"]))
    data = load_evaluation_set({"format": "csv", "path": str(tmp_path / "ids.csv")}, SPEC)
    assert data.ids == ("i", "j", "j", "j", "k", "other") and data.captions[0] == ("one", "three")


def test_unusable_records_are_left_out_and_counted(write_parquet: Callable[..., Path]) -> None:
    path = write_parquet(10, images={1: b"no image", 4: None, 7: None})
    data = load_evaluation_set({"format": "parquet", "path": str(path)}, SPEC)
    assert data.ids == tuple(f"data/{index}" for index in (0, 2, 3, 5, 6, 8, 9))
    assert data.skipped == {Reason.UNDECODABLE: 1, Reason.MISSING_IMAGE: 2}
    assert len(data.images) == len(data.captions) == len(data.labels) == len(data.tags) == 7


def test_a_large_set_is_decoded_whenever_it_is_read(write_parquet: Callable[..., Path]) -> None:
    path = write_parquet(10, images={1: b"no image", 4: None, 7: None})
    config = {"format": "parquet", "path": str(path)}
    held, large = (load_evaluation_set(config, SPEC, held_bytes=size) for size in (10 * 32 * 32 * 3, 30_719))
    assert isinstance(held.images, np.ndarray) and isinstance(large.images, ImagesOnDemand)
    assert (large.ids, large.labels, large.skipped) == (held.ids, held.labels, held.skipped)
    assert len(large.images) == 7 and large.images.shape == held.images.shape
    for rows in (0, -1, slice(2, 5), slice(5, 99), slice(7, 9), np.array([6, 0, 0]), np.arange(7) % 2 == 0):
        np.testing.assert_array_equal(large.images[rows], held.images[rows])


def test_a_set_without_usable_records_is_refused(write_parquet: Callable[..., Path]) -> None:
    for count, why in ((2, "2 missing_image"), (0, "it is empty")):
        path = write_parquet(count, images=dict.fromkeys(range(count)))
        with pytest.raises(ValueError, match=rf"data\.parquet has no usable record: {why}"):
            load_evaluation_set({"format": "parquet", "path": str(path)}, SPEC)


def test_figures_over_a_part_of_a_set_are_refused(write_parquet: Callable[..., Path]) -> None:
    path = write_parquet(10, images={1: b"no image", 4: None, 7: None})
    config = {"format": "parquet", "path": str(path)}
    assert len(load_evaluation_set(config, SPEC, max_bad_share=0.3)) == 7
    message = (
        "3 of 10 records of evaluation set 'val' cannot be used, more than data.max_bad_share=0.05: 2 missing_image, "
        "1 undecodable; the first is record 1 .*raise the limit with --config.data.max_bad_share=0.3"
    )
    with pytest.raises(ValueError, match=message):
        load_evaluation_set(config, SPEC, name="'val'", max_bad_share=0.05)


def test_a_look_at_a_set_decodes_nothing(write_parquet: Callable[..., Path]) -> None:
    path = write_parquet(10, images={1: b"no image", 4: None, 7: None})
    seen = load_evaluation_set({"format": "parquet", "path": str(path)}, SPEC, decode=False)
    assert seen.images.shape == (8, 32, 32, 3) and seen.skipped == {Reason.MISSING_IMAGE: 2}
    assert len(seen.ids) == len(seen.captions) == 8


def test_a_set_of_one_language_that_is_not_english_is_captioned_in_it(tmp_path: Path) -> None:
    lines = [{"image/key": key, "de": {"caption": [f"Bild {key}"]}} for key in ("a", "b")]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "images").mkdir()
    for key in ("a", "b"):
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / f"{key}.jpg")
    config = {"format": "known", "path": f"xm3600={tmp_path}", "columns": {}}
    data = load_evaluation_set(config, SPEC)
    assert data.captions == (("Bild a",), ("Bild b",)) and data.translations == {}
    lines[0]["fr"] = {"caption": ["image"]}
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    two = load_evaluation_set(config, SPEC)
    assert two.captions == ((), ()) and set(two.translations) == {"de", "fr"}


def test_a_part_of_a_source_is_what_the_entry_says(quickstart: Path, tmp_path: Path) -> None:
    config = {"format": "parquet", "path": str(quickstart / "val.parquet")}
    whole = load_evaluation_set(config, SPEC, decode=False)
    (tmp_path / "ids").write_text("\n".join(whole.ids[3:5]))
    assert load_evaluation_set({**config, "keep_ids": str(tmp_path / "ids")}, SPEC).ids == whole.ids[3:5]
    tenth = load_evaluation_set({**config, "fraction": 0.1}, SPEC, decode=False).ids
    assert len(tenth) == round(0.1 * len(whole)) and [one for one in whole.ids if one in tenth] == list(tenth)
    one = load_evaluation_set({**config, "shots": 1}, SPEC, decode=False)
    assert sorted(one.labels) == sorted({*whole.labels} - {""})
