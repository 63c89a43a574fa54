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

from input_pipeline.catalogue import Catalogue
from input_pipeline.fields import HOST_FIELDS, Batch
from input_pipeline.records import BadRecord, Reason
from input_pipeline.stream import make_stream
from input_pipeline.tables import load_table
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


def test_fields_say_what_their_arrays_look_like(draw: Draw, tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    ids = [f"{number:03}" for number in range(9)]
    pq.write_table(pa.table({"id": ids, "numbers": pa.array([[1, 2, 3]] * 9, pa.list_(pa.int32()))}), path)
    data = {
        "sources": {"a": {"format": "parquet", "path": "", "weight": 1.0}},
        "image": {"crop_scale": (0.3, 1.0), "crop_ratio": (0.75, 1.33), "flip": True, "resize": "pad"},
        "text": {"choice": "uniform"},
        "image_views": {"views": {"count": 2, "resolution": 6}, "more": {"count": 3}},
        "text_views": {"captions": {"count": 2}},
        "tables": {"numbers": {"path": str(path)}},
    }
    preprocessing = {"resolution": 8, "resize": "pad"}
    shapes = Catalogue(data, preprocessing, tokenizer, {"a": 0}).shapes()
    views = {name: data[name] for name in ("image_views", "text_views")}
    fields = [name for name in shapes if name != "numbers"]
    batch = draw(*fields, **views)
    assert {name: (batch[name].shape[1:], batch[name].dtype) for name in fields} == {
        name: shapes[name] for name in fields
    }
    assert shapes["numbers"] == ((3,), np.dtype(np.int32))


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
    batch = draw("text", "text_id", "label_id", "group_id", "source_id", "record_number")
    record = batch["own"][:, 1]
    pairs = set(itertools.combinations(range(27), 2))
    same_text = {(i, j) for i, j in pairs if (batch["text"][i] == batch["text"][j]).all()}
    assert equal_rows(batch["text_id"]) == same_text
    assert equal_rows(batch["label_id"]) == same_text  # no label is shown: a caption is nobody else's
    group = np.where(record < 2, 0, record)
    assert equal_rows(batch["group_id"]) == {(i, j) for i, j in pairs if group[i] == group[j]}
    for name in ("text_id", "label_id", "group_id"):
        assert batch[name].dtype == np.int32 and batch[name].shape == (27, 2)
    assert batch["source_id"].dtype == np.int32 and not batch["source_id"].any()
    np.testing.assert_array_equal(batch["record_number"], record)
    assert batch["record_number"].dtype == np.int32


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


def two_sources(labelled: Path, other: Path | None = None, **second: Any) -> dict[str, Any]:
    """Two sources of which the second is by default the first once more: all of their ids are the same."""
    one = {"format": "parquet", "path": str(labelled), "weight": 1.0}
    return {"a": one, "b": {**one, "path": str(other or labelled), **second}}


def write_table(path: Path, **columns: Any) -> dict[str, dict[str, str]]:
    pq.write_table(pa.table(columns), path)
    return {"x": {"path": str(path)}}


NINE = [f"data/{i}" for i in range(9)]


def test_records_are_of_one_label_only_where_it_is_shown(draw: Draw, labelled: Path) -> None:
    sources = two_sources(labelled, columns={"captions": ""}, templates=("a {}", "one {}"))
    batch = draw("label_id", "text", batch_size=54, sources=sources)
    source, record = batch["own"].T
    names = np.array(["cat", "dog", "", "cat", "", "", "", "", "cat"])[record]
    usable = (source == 0) | (names != "")
    of_label = np.where((source == 1) & usable, names, "")
    for i, j in itertools.combinations(np.flatnonzero(usable), 2):
        same = (batch["label_id"][i] == batch["label_id"][j]).all()
        text = (batch["text"][i] == batch["text"][j]).all()
        assert same == (of_label[i] == of_label[j] if of_label[i] or of_label[j] else text)
    shares = draw(
        "label_id", text={"choice": "uniform", "templates": ("a {}",), "label_share": 0.5}, batch_size=90
    )
    cats = [row for row in range(90) if shares["own"][row, 1] in (0, 3, 8)]
    same = equal_rows(shares["label_id"][cats])
    assert 0.1 < len(same) / (len(cats) * (len(cats) - 1) / 2) < 0.6


def test_without_captions_a_label_is_one_whether_or_not_it_is_shown(draw: Draw, labelled: Path) -> None:
    ids = "\n".join(f"data/{i}" for i in (0, 1, 3, 8))
    (labelled.parent / "keep.txt").write_text(ids)
    entry = {"format": "parquet", "path": str(labelled), "weight": 1.0, "columns": {"captions": ""}}
    batch = draw(
        "label_id", sources={"a": {**entry, "keep_ids": str(labelled.parent / "keep.txt")}}, batch_size=8
    )
    cat = batch["own"][:, 1] != 1
    assert equal_rows(batch["label_id"]) == {
        (i, j) for i, j in itertools.combinations(range(8), 2) if cat[i] == cat[j]
    }


def test_a_table_with_sources_tells_equal_ids_apart(draw: Draw, labelled: Path, tmp_path: Path) -> None:
    names = ["a"] * 9 + ["b"] * 9
    tables = write_table(tmp_path / "t.parquet", source=names, id=NINE * 2, x=list(range(18)))
    batch = draw("x", batch_size=36, sources=two_sources(labelled), tables=tables)
    source, record = batch["own"].T
    np.testing.assert_array_equal(batch["x"], 9 * source + record)
    assert set(source.tolist()) == {0, 1}
    table = load_table("x", tables["x"])
    assert table.bounds() == (0, 17)
    with pytest.raises(BadRecord, match=r"record 'data/0' of source 'c' is not in data\.tables\.x"):
        table.of("c", "data/0")


def test_a_table_without_sources_is_refused_where_ids_repeat(
    draw: Draw, labelled: Path, tmp_path: Path, write_parquet: Callable[..., Path]
) -> None:
    tables = write_table(tmp_path / "t.parquet", id=NINE, x=list(range(9)))
    for fill in ("skip", "fill"):
        tables["x"]["missing"] = fill
        with pytest.raises(
            ValueError, match=r"data\.tables\.x: records of two sources have the id 'data/0'.*`source`"
        ):
            draw("x", sources=two_sources(labelled), tables=tables)
    other = write_parquet(4, "other")
    ids = [*NINE, *(f"other/{i}" for i in range(4))]
    tables = write_table(tmp_path / "t.parquet", id=ids, x=list(range(13)))
    assert set(draw("x", batch_size=36, sources=two_sources(labelled, other), tables=tables)["x"]) == set(
        range(13)
    )


def test_what_the_first_look_cannot_see_is_found_when_it_is_read(tmp_path: Path) -> None:
    table = load_table("x", write_table(tmp_path / "t.parquet", id=["1", "2"], x=[1, 2])["x"])
    assert table.of("a", "1") == table.of("a", "1") == 1 and table.of("b", "2") == 2
    with pytest.raises(ValueError, match="records of two sources have the id '1'"):
        table.of("b", "1")


def test_a_table_that_fits_nothing_is_refused(draw: Draw, labelled: Path, tmp_path: Path) -> None:
    tables = write_table(tmp_path / "t.parquet", id=[0, 139], x=[1, 2])
    with pytest.raises(
        ValueError, match=r"source 'a': none of 9 records .*not_in_table.*ids there are such as '0'"
    ):
        draw("x", tables=tables)
    tables["x"]["missing"] = "fill"
    with pytest.raises(
        ValueError, match=r"no value for any of 9 records looked at, such as 'data/8' of source 'a'"
    ):
        draw("x", tables=tables)
    tables = write_table(tmp_path / "t.parquet", source=["other"] * 9, id=NINE, x=list(range(9)))
    with pytest.raises(ValueError, match="ids there are such as 'data/0' of source 'other'"):
        draw("x", tables=tables)


@pytest.mark.parametrize("first", [1, 2])
def test_a_table_that_counts_rows_otherwise_is_refused(
    draw: Draw, labelled: Path, tmp_path: Path, first: int
) -> None:
    """Records without ids are numbered from 0; a table may count from 1, or the header too, or skip the last ones."""
    pq.write_table(pq.read_table(labelled).drop_columns(["id"]), labelled)
    tables = write_table(tmp_path / "t.parquet", id=[str(first + row) for row in range(9)], x=list(range(9)))
    said = rf"data\.tables\.x has a value for record {first + 8} of source 'a'.* from 0 to 8.*its first is {first}"
    for missing in ("skip", "fill"):
        tables["x"]["missing"] = missing
        with pytest.raises(ValueError, match=said):
            draw("x", tables=tables)
    tables = write_table(tmp_path / "t.parquet", id=list(range(2, 8)), x=list(range(6)))
    tables["x"]["missing"] = "fill"
    assert set(draw("x", tables=tables)["x"]) == {-1, *range(6)}


def test_a_table_with_more_rows_than_there_are_is_said(
    draw: Draw, labelled: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pq.write_table(pq.read_table(labelled).drop_columns(["id"]), labelled)
    draw("x", tables=write_table(tmp_path / "t.parquet", id=list(range(12)), x=list(range(12))))
    assert "a value for record 11 of source 'a'" in caplog.text and "made for other records?" in caplog.text


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_of_a_table_are_finite(draw: Draw, tmp_path: Path, bad: float) -> None:
    for values, row in (([[1.0, 2.0], [3.0, bad]], "b"), ([1.0, bad], "b"), ([bad, bad], "a")):
        tables = write_table(tmp_path / "t.parquet", id=["a", "b"], x=values)
        with pytest.raises(
            ValueError, match=rf"data\.tables\.x: .* NaN or infinity, the first of id '{row}'"
        ):
            draw("x", tables=tables)


def test_bounds_are_those_of_integers(tmp_path: Path) -> None:
    def bounds(values: Any) -> tuple[int, int] | None:
        return load_table("x", write_table(tmp_path / "t.parquet", id=["a", "b"], x=values)["x"]).bounds()

    assert (
        bounds([[3, -7], [255, 0]]) == (-7, 255) and bounds([5, 4]) == (4, 5) and bounds([5.0, 4.0]) is None
    )


def test_a_view_is_cut_if_one_of_its_texts_is(
    draw: Draw, tmp_path: Path, encode: Callable[..., bytes]
) -> None:
    image = encode(np.zeros((8, 8, 3), np.uint8))
    pq.write_table(
        pa.table({"image": [image, image], "captions": [["a", "a long text " * 20], ["a", "b"]]}),
        tmp_path / "a.parquet",
    )
    sources = {"a": {"format": "parquet", "path": str(tmp_path / "a.parquet"), "weight": 1.0}}
    batch = draw("more", batch_size=8, sources=sources, text_views={"more": {"count": 2}})
    np.testing.assert_array_equal(batch["truncated"], batch["own"][:, 1] == 0)
