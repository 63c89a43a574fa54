"""Batches hold exactly the fields that are asked for, and each is what its config says."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from input_pipeline.fields import HOST_FIELDS, Batch
from input_pipeline.records import Reason
from input_pipeline.stream import make_stream
from input_pipeline.tokenizers import Tokenizer

Draw = Callable[..., Batch]
PAIR = ("image", "text", "text_mask")


@pytest.fixture
def labelled(write_parquet: Callable[..., Path]) -> Path:
    """Nine records of two captions; some share a label or a group, some have neither."""
    path = write_parquet(9)
    table = pq.read_table(path)
    table = table.append_column("category", pa.array(["cat", "dog", "", "cat", None, "", "", "", "cat"]))
    pq.write_table(table.append_column("concept", pa.array(["g", "g", *[""] * 7])), path, row_group_size=4)
    return path


@pytest.fixture
def draw(tokenizer: Tokenizer, labelled: Path) -> Draw:
    """One batch of 27 records, three epochs, with some fields."""

    def draw_batch(*fields: str, batch_size: int = 27, **data: Any) -> Batch:
        settings = {
            "sources": {"a": {"format": "parquet", "path": str(labelled), "weight": 1.0}},
            "image": {"crop_scale": (0.3, 1.0), "crop_ratio": (0.75, 1.33), "flip": True, "resize": "pad"},
            "text": {"choice": "uniform"},
        }
        batches = make_stream(
            settings | data,
            preprocessing={"resolution": 8, "resize": "pad"},
            tokenizer=tokenizer,
            batch_size=batch_size,
            seed=3,
            fields=fields,
        ).batches()
        try:
            return next(batches)
        finally:
            batches.close()

    return draw_batch


def equal_rows(ids: np.ndarray) -> set[tuple[int, int]]:
    """The pairs of rows that hold the same id."""
    pairs = itertools.combinations(range(len(ids)), 2)
    return {(one, other) for one, other in pairs if (ids[one] == ids[other]).all()}


@pytest.mark.parametrize("fields", [(), ("text",), ("image",), ("source_id", "text_mask"), PAIR])
def test_exactly_what_is_asked_for_is_delivered(draw: Draw, fields: tuple[str, ...]) -> None:
    everything, batch = draw(*PAIR, "source_id"), draw(*fields)
    assert set(batch) == {*fields, *HOST_FIELDS}
    for name, array in batch.items():
        np.testing.assert_array_equal(array, everything[name], err_msg=name)


def test_what_nobody_asks_for_is_not_computed(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **more: Any) -> None:
        raise AssertionError("an image is decoded")

    monkeypatch.setattr("input_pipeline.visits.open_picture", refuse)
    draw("text", "label_id", image_views={"views": {"count": 2}})
    with pytest.raises(AssertionError, match="an image is decoded"):
        draw("image")


def test_views_have_their_own_dice_and_settings(draw: Draw) -> None:
    data = {
        "image_views": {
            "two": {"count": 2},
            "large": {"count": 1, "resolution": 12, "crop_scale": (1.0, 1.0), "crop_ratio": (1.0, 1.0)},
        },
        "text_views": {"more": {"count": 3}, "best": {"count": 1, "choice": "first"}},
    }
    batch = draw(*PAIR, "two", "large", "more", "more_mask", "best", "best_mask", **data)
    assert batch["two"].shape == (27, 2, 8, 8, 3) and batch["large"].shape == (27, 1, 12, 12, 3)
    assert batch["more"].shape == batch["more_mask"].shape == (27, 3, 16)
    seen = [batch["image"], batch["two"][:, 0], batch["two"][:, 1]]
    for one, other in itertools.combinations(seen, 2):
        assert (one != other).any((1, 2, 3)).mean() > 0.9
    assert len({row.tobytes() for row in batch["best"]}) == 9 < len({row.tobytes() for row in batch["text"]})
    assert (batch["more"][:, 0] != batch["more"][:, 1]).any()
    # Neither the other views nor their dice touch a view.
    for name, array in draw(*PAIR).items():
        np.testing.assert_array_equal(array, batch[name], err_msg=name)
    for name, array in draw("two", **data).items():
        np.testing.assert_array_equal(array, batch[name], err_msg=name)


def test_equal_ids_are_equal_texts_labels_and_groups(draw: Draw) -> None:
    batch = draw("text", "text_id", "label_id", "group_id", "source_id")
    record = batch["own"][:, 1]
    pairs = set(itertools.combinations(range(27), 2))
    same_text = {(i, j) for i, j in pairs if (batch["text"][i] == batch["text"][j]).all()}
    assert equal_rows(batch["text_id"]) == same_text
    labels = ["cat", "dog", "", "cat", "", "", "", "", "cat"]
    same_label = {
        (i, j)
        for i, j in pairs
        if labels[record[i]] == labels[record[j]] and (labels[record[i]] or (i, j) in same_text)
    }
    assert equal_rows(batch["label_id"]) == same_label
    group = np.where(record < 2, 0, record)
    assert equal_rows(batch["group_id"]) == {(i, j) for i, j in pairs if group[i] == group[j]}
    for name in ("text_id", "label_id", "group_id"):
        assert batch[name].dtype == np.int32 and batch[name].shape == (27, 2)
    assert batch["source_id"].dtype == np.int32 and not batch["source_id"].any()


def test_cut_captions_are_flagged(draw: Draw, labelled: Path) -> None:
    table = pq.read_table(labelled)
    captions = [["a cat"] if row % 2 else ["many words " * 20] for row in range(9)]
    table = table.set_column(table.schema.get_field_index("captions"), "captions", pa.array(captions))
    pq.write_table(table, labelled)
    batch = draw("text")
    np.testing.assert_array_equal(batch["truncated"], batch["own"][:, 1] % 2 == 0)
    assert not draw("image")["truncated"].any()


def test_tables_are_joined_by_record_id(draw: Draw, tmp_path: Path) -> None:
    path = tmp_path / "side.parquet"
    kept = [8, 0, 3, 5, 1]
    columns = {
        "id": [f"data/{row}" for row in kept],
        "cluster": pa.array([10 * row for row in kept], pa.int64()),
        "path": pa.array([[row, -row] for row in kept], pa.list_(pa.int64())),
        "vector": pa.array([[row, 0.5, 2.0] for row in kept], pa.list_(pa.float32(), 3)),
    }
    pq.write_table(pa.table(columns), path)
    tables = {name: {"path": str(path), "missing": "fill"} for name in ("cluster", "path", "vector")}
    batch = draw("cluster", "path", "vector", tables=tables)
    record, has = batch["own"][:, 1], np.isin(batch["own"][:, 1], kept)
    np.testing.assert_array_equal(batch["cluster"], np.where(has, 10 * record, -1), strict=False)
    np.testing.assert_array_equal(
        batch["path"], np.where(has[:, None], np.stack([record, -record], 1), -1), strict=False
    )
    vectors = np.stack([record, np.full(27, 0.5), np.full(27, 2.0)], 1)
    np.testing.assert_array_equal(batch["vector"], np.where(has[:, None], vectors, 0))
    assert [batch[name].dtype for name in ("cluster", "path", "vector")] == [np.int32, np.int32, np.float32]
    assert not batch["replaced"].any()

    skipping = draw("label", tables={"label": {"path": str(path), "column": "cluster"}})
    np.testing.assert_array_equal(skipping["replaced"], np.where(has, 0, Reason.NOT_IN_TABLE))
    np.testing.assert_array_equal(skipping["label"][has], 10 * record[has])
    assert set(skipping["label"].tolist()) <= {10 * row for row in kept}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": ["a", "a"], "x": [1, 2]}, r"data\.tables\.x: the id 'a' has two values"),
        ({"id": ["a", "b"], "x": [[1], [1, 2]]}, "lists of 1 to 2 items"),
        ({"id": ["a"], "x": ["text"]}, "holds string"),
        ({"id": ["a"], "x": [2**40]}, "beyond 32-bit"),
        ({"id": ["a"], "y": [1]}, "no column 'x'; it has id, y"),
    ],
)
def test_odd_tables_are_refused(draw: Draw, tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    path = tmp_path / "odd.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(ValueError, match=message):
        draw("x", tables={"x": {"path": str(path)}})


@pytest.mark.parametrize(
    ("field", "data", "message"),
    [
        ("clusters", {}, r"need 'clusters', .* there are text, text_mask.*data\.tables\.clusters"),
        ("txt", {}, "did you mean 'text'"),
        ("v", {"image_views": {"v": {"count": 0}}}, r"data\.image_views\.v\.count=0 must be at least 1"),
        (
            "v",
            {"image_views": {"v": {"colour": 1}}},
            r"image_views\.v: 'colour' is not one of count, crop_ratio",
        ),
        ("v", {"text_views": {"v": {"choice": "best"}}}, "choice 'best'"),
        ("image", {"tables": {"image": {"path": "nowhere"}}}, "'image' is a batch field of its own"),
        ("v", {"image_views": {"v": {}}, "text_views": {"v": {}}}, "'v' is a batch field of its own"),
        ("v", {"tables": {"v": {"path": "nowhere.parquet"}}}, r"data\.tables\.v: there is no file"),
    ],
)
def test_what_cannot_be_delivered_is_an_error_that_helps(
    draw: Draw, field: str, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        draw(field, **data)
