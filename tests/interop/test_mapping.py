"""Forms of tensors by their definitions, each its own inverse; tables that name what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from vlp.interop import mapping
from vlp.interop.mapping import (
    Entry,
    Form,
    entry,
    flattened,
    fused,
    interleaved,
    nested,
    pooling_projections,
    read,
    shape_of,
    write,
)

HEADS, WIDTH, DIM = 3, 5, 2  # of the input, and of a head


def tensor(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


X = tensor(4, 3, 2, 2)
# (form, theirs, ours)
FORMS: dict[str, tuple[Form, tuple, tuple]] = {
    "same": (mapping.SAME, (tensor(2), tensor(3)), (tensor(2), tensor(3))),
    "transposed": (mapping.TRANSPOSED, (tensor(2, 3),), (tensor(2, 3).T,)),
    "row": (mapping.ROW, (tensor(3),), (tensor(1, 3),)),
    "first": (mapping.FIRST, (tensor(1, 3),), (tensor(3),)),
    "query": (mapping.QUERY, (tensor(1, 1, 3),), (tensor(3),)),
    "scalar": (mapping.SCALAR, (np.float32(3.0).reshape(()),), (np.float32(3.0).reshape(()),)),
    "scalar of one": (mapping.SCALAR_OF_ONE, (tensor(1),), (np.float32(0.0).reshape(()),)),
    "kernel": (mapping.KERNEL, (X,), (np.einsum("oihw->hwio", X),)),
    "prefixed": (mapping.PREFIXED, (tensor(4, 2),), (tensor(4, 2)[:1], tensor(4, 2)[1:])),
    "patches": (mapping.PATCHES, (X,), (np.einsum("oihw->hwio", X).reshape(12, 4),)),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_reads_and_writes(name: str) -> None:
    form, theirs, ours = FORMS[name]
    for found, expected in ((form.read(*theirs), ours), (form.write(*ours), theirs)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other, strict=True)


def head_by_head(parts: list[np.ndarray]) -> np.ndarray:
    """Outputs as (head, part, dimension), of parts [..., head * dimension]."""
    columns = [part[..., head * DIM : (head + 1) * DIM] for head in range(HEADS) for part in parts]
    return np.concatenate(columns, axis=-1)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_projections_are_joined_head_by_head(transposed: bool, bias: bool) -> None:
    outputs = HEADS * DIM
    parts = [tensor(3, WIDTH, outputs)[place] for place in range(3)]
    parts = [part[0] for part in parts] if bias else parts
    theirs = [part.T if transposed else part for part in parts]
    ours = head_by_head(parts)
    for form, given in (
        (interleaved(HEADS, transposed=transposed), theirs),
        (fused(HEADS, transposed=transposed), [np.concatenate(theirs)] if transposed or bias else None),
    ):
        if given is not None:
            np.testing.assert_array_equal(form.read(*given)[0], ours)
            for one, other in zip(form.write(ours), given, strict=True):
                np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("bias", [False, True])
def test_a_pool_s_query_is_projected_by_itself(bias: bool) -> None:
    outputs = HEADS * DIM
    query, key, value = (part[0] if bias else part for part in tensor(3, outputs, outputs))
    theirs = np.concatenate([x.T for x in (query, key, value)])
    form = pooling_projections(HEADS, transposed=True)
    one, two = form.read(theirs)
    np.testing.assert_array_equal(one, query)
    np.testing.assert_array_equal(two, head_by_head([key, value]))
    np.testing.assert_array_equal(form.write(one, two)[0], theirs)


TABLE = [entry("a", "x"), entry("b c", "y.{layer}.p y.{layer}.q", layers=range(2))]
THEIRS = {"x": tensor(2), **{f"y.{layer}.{n}": tensor(3) + layer for layer in range(2) for n in "pq"}}


def test_layers_are_stacked_and_written_one_by_one() -> None:
    ours = read(TABLE, {**THEIRS, "z": tensor(1)}, ["z"])
    assert ours["b"].tolist() == ours["c"].tolist() == [[0, 1, 2], [1, 2, 3]] and ours["a"].tolist() == [0, 1]
    back = write(TABLE, ours)
    assert back.keys() == THEIRS.keys()
    for name, one in back.items():
        np.testing.assert_array_equal(one, THEIRS[name])


def test_what_is_missing_or_left_over_is_listed_by_eight() -> None:
    for count, more in ((8, ""), (9, " and 1 more")):
        table = [entry(f"a{place}", f"x{place}") for place in range(count)]
        listed = ", ".join(f"x{place}" for place in range(8))
        with pytest.raises(ValueError, match=rf"missing: {listed}{more}; left over: none$"):
            read(table, {})
        with pytest.raises(ValueError, match=rf"missing: none; left over: {listed}{more}$"):
            read([], {f"x{place}": tensor(1) for place in range(count)})
    with pytest.raises(ValueError, match="the model does not fit the format: missing: b, c; left over: d"):
        write(TABLE, {"a": tensor(1), "d": tensor(1)})
    deep = [Entry(("a",), ("y.{layer}",), mapping.SAME, range(3))]
    with pytest.raises(ValueError, match="the config has 3 layers, but the weights only 2 tensors"):
        read(deep, {"y.0": tensor(1), "y.1": tensor(1)})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.int32([1]), "whole numbers, not floating-point ones: in: x"),
        (np.float32([np.nan]), "not finite: in: x"),
        (np.float32([-2e6]), "above 1e.06, as no trained model does: in: x"),
        (np.float32([[1.0]]), None),
        (np.float32([-1e6, 1e6]), None),
    ],
)
def test_numbers_that_no_model_has_are_refused(value: np.ndarray, message: str | None) -> None:
    if message is None:
        read([entry("a", "x")], {"x": value})
    else:
        with pytest.raises(ValueError, match=message):
            read([entry("a", "x")], {"x": value})


def test_a_variance_is_not_negative() -> None:
    table = [entry("a", "bn.running_var"), entry("b", "bn.running_mean")]
    read(table, {"bn.running_var": np.float32([0.0, 1.0]), "bn.running_mean": np.float32([-1.0])})
    with pytest.raises(ValueError, match=r"bn\.running_var holds a negative variance"):
        read(table, {"bn.running_var": np.float32([1.0, -0.1]), "bn.running_mean": np.float32([-1.0])})


def test_a_shape_that_cannot_be_taken_apart_is_named() -> None:
    with pytest.raises(ValueError, match=r"do not fit their config: x has shape \[4\]"):
        read([Entry(("a",), ("x",), interleaved(3))], {"x": tensor(4)})
    assert shape_of({"x": tensor(2, 3)}, "x", 2) == (2, 3)
    for name, size, message in (("y", 2, "have no y"), ("x", 1, r"x has shape \[2, 0\], and needs 1")):
        with pytest.raises(ValueError, match=message):
            shape_of({"x": tensor(2, 0)}, name, size)
    with pytest.raises(ValueError, match="needs 2 dimensions that are not empty"):
        shape_of({"x": tensor(2, 0)}, "x", 2)


def test_paths_are_nested_and_flattened() -> None:
    tree = {"a": {0: {"b": 1}, 12: {"b": 2}}, "c": 3}
    leaves = {"a/0/b": 1, "a/12/b": 2, "c": 3}
    assert flattened(tree) == leaves and nested(leaves) == tree
