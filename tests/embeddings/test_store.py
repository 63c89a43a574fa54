"""Shards of embeddings, and the sets that are read from them, without any model."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from input_pipeline.errors import UserError
from input_pipeline.variants import FixedViews
from vlp.embeddings.origins import check_origins
from vlp.embeddings.sets import DumpedSets
from vlp.embeddings.store import Embeddings, Notes, read_shard, remove_unfinished, shard_path, write_shard

ROWS = np.arange(21, dtype=np.float32).reshape(7, 3)
CUTS = (0, 3, 4, 7)


def notes(first: int, end: int, **changes: Any) -> Notes:
    own = range(first, end)
    known = {
        "records": [10 + row for row in own],
        "ids": [f"r{row}" for row in own],
        "labels": [f"l{row % 2}" for row in own],
        "groups": [""] * len(own),
        "tags": [[f"t{row}"] * (row % 3) for row in own],
        "texts": [""] * len(own),
        "skipped": Counter({"unreadable": first}),
    }
    return Notes(**{**known, **changes})


@pytest.fixture(params=["npy", "parquet"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for number, (first, end) in enumerate(itertools.pairwise(CUTS)):
        write_shard(shard_path(tmp_path, number, request.param), ROWS[first:end], notes(first, end))
    return tmp_path


def test_rows_and_what_is_known_of_them_are_read_as_they_were_written(folder: Path) -> None:
    rows, known = read_shard(next(path for path in sorted(folder.iterdir()) if path.suffix != ".json"))
    np.testing.assert_array_equal(rows, ROWS[:3])
    assert known == notes(0, 3)


@pytest.mark.parametrize("first", range(8))
def test_any_slice_of_all_shards_is_that_of_all_rows(folder: Path, first: int) -> None:
    whole = Embeddings(folder)
    assert whole.shape == (7, 3)
    for end in range(9):
        np.testing.assert_array_equal(whole[first:end], ROWS[first:end])
    np.testing.assert_array_equal(whole[-first:], ROWS[-first:])


def test_notes_of_all_shards_stand_in_order_and_counts_are_added_up(folder: Path) -> None:
    whole = Embeddings(folder)
    assert whole.notes() == notes(0, 7, skipped=Counter({"unreadable": 0 + 3 + 4}))
    assert list(whole.ids()) == whole.notes().ids and list(whole.records()) == whole.notes().records
    assert [name.partition(".")[0] for name in whole.files] == ["00000000", "00000001", "00000002"]


def test_only_what_is_one_s_own_and_unfinished_is_removed(tmp_path: Path) -> None:
    from input_pipeline.whole_files import ASIDE

    names = [f"00000001.npy.7{ASIDE}", f"00000002.npy.7{ASIDE}", "00000001.npy"]
    for name in names:
        (tmp_path / name).touch()
    remove_unfinished(tmp_path, lambda name: name == "00000001.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


@pytest.fixture
def sets(tmp_path: Path) -> DumpedSets:
    """A set with captions, where one text occurs twice, and one without."""
    for name in ("val", "other"):
        (tmp_path / name / "image").mkdir(parents=True)
        write_shard(shard_path(tmp_path / name / "image", 0, "npy"), ROWS[:3], notes(0, 3))
    (tmp_path / "val" / "text").mkdir()
    said = notes(3, 6, records=[12, 10, 12], texts=["b", "a", "a"])
    write_shard(shard_path(tmp_path / "val" / "text", 0, "npy"), ROWS[3:6], said)
    parts = {"val/image": {"skipped": {"unreadable": 2}}, "val/text": {}, "other/image": {"skipped": {}}}
    (tmp_path / "index.json").write_text(json.dumps({"checkpoint": "c0ffee", "parts": parts}))
    return DumpedSets(tmp_path)


def test_sets_hold_images_with_their_captions_and_only_what_was_read_is_told(sets: DumpedSets) -> None:
    assert list(sets) == ["val", "other"] and len(sets) == 2 and "val" in sets and "val/image" not in sets
    assert sets.sizes == sets.skipped == sets.origins == {}
    one = sets["val"]
    np.testing.assert_array_equal(one.images, ROWS[:3])
    assert one.captions == [["a"], [], ["b", "a"]] and one.ids == ["r0", "r1", "r2"]
    assert (one.labels, one.tags, one.groups) == (["l0", "l1", "l0"], [[], ["t1"], ["t2"] * 2], [""] * 3)
    assert (one.regions, one.masks, one.classes) == (((), (), ()), None, ())
    assert sets["val"] is one and one.slices == one.translations == {}
    assert sets.skipped == {"val": {"unreadable": 2}} and sets.sizes == {"val": 3}
    assert sets.origins == {"val": {"format": "embeddings", "path": str(sets.folder / "val")}}
    assert sets["other"].captions == [[], [], []] and "other" not in sets.skipped
    assert sets.checkpoint == "c0ffee"


def test_texts_are_looked_up_and_others_are_refused(sets: DumpedSets, tmp_path: Path) -> None:
    np.testing.assert_array_equal(sets.encode_text(["a", "b", "a"]), ROWS[[4, 3, 4]])
    np.testing.assert_array_equal(sets.encode_image_array(ROWS), ROWS)
    for given, prefix in ((["a", "c"], ""), (["a"], "<en>")):
        with pytest.raises(ValueError, match=f"holds no embedding of the text '{given[-1]}'"):
            sets.encode_text(given, prefix=prefix)
    with pytest.raises(ValueError, match="holds no patches"):
        sets.encode_patch_array(ROWS)
    for ask in (sets.pixels, sets.scorer, lambda: sets.composer("joint"), sets.captioner):
        with pytest.raises(UserError, match="--checkpoint"):
            ask()
    with pytest.raises(ValueError, match=r"has no index\.json"):
        DumpedSets(tmp_path / "val")


def test_views_of_images_are_no_sets(sets: DumpedSets) -> None:
    path = sets.folder / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "views": 2}))
    with pytest.raises(UserError, match="2 training views of each image"):
        DumpedSets(sets.folder)


def test_views_by_another_data_image_are_refused_where_the_file_says_whose_they_are(tmp_path: Path) -> None:
    image = {
        "crop_scale": (0.5, 1),
        "crop_ratio": (1.0, 1.0),
        "flip": True,
        "resize": "pad",
        "grayscale": 0.2,
    }
    views = FixedViews.build({"resolution": 8, "resize": "pad"}, {**image, "crop_scale": (0.5, 1.0)}, 3)
    tables = {"rows": {"path": str(tmp_path), "of": "image", "checkpoint": ""}}
    write_shard(shard_path(tmp_path, 0, "parquet"), ROWS[:3], notes(0, 3), {"views": views.digest})
    check_origins(tables, image)
    others = (
        {"flip": False},
        {"resize": "squash"},
        {"crop_scale": (0.4, 1.0)},
        {"blur": 0.5},
        {"grayscale": 0.3},
    )
    for other in others:
        with pytest.raises(UserError, match=r"data\.tables\.rows: .*another data\.image"):
            check_origins(tables, {**image, **other})
    jittered = {**image, "color_jitter": (0.4, 0.4, 0.4, 0.1), "color_jitter_probability": 1.0}
    digests = {
        FixedViews.build(
            {"resolution": 8, "resize": "pad"}, {**jittered, "rand_augment": (2, size)}, 1
        ).digest
        for size in (9, 9.0, 5)
    }
    assert len(digests) == 2
    write_shard(shard_path(tmp_path, 0, "parquet"), ROWS[:3], notes(0, 3))  # as older files
    check_origins(tables, {**image, "flip": False})
