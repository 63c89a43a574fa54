"""Values of foreign files: each of its kind and within its limits, or an error that names file, key and value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vlp.interop import fields

KEY = "config.json: width"


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (fields.whole, [1, 7, 1 << 20], [0, -1, (1 << 20) + 1, 1.0, True, "1", None, [1]]),
        (
            fields.number,
            [1, 0.5, 1e-12, 1e6],
            [0, 0.9e-12, 1.1e6, -1.0, 10**400, float("nan"), True, "1", None],
        ),
        (fields.three, [[0.1, 2, 3.0], 0.5], [[1, 2], [1, 2, 0], [1, 2, float("nan")], "abc", None, []]),
        (fields.words, ["", "x"], [1, None, ["x"]]),
        (fields.square, [3, [3], [3, 3]], [[3, 4], [], 0, [0, 0], "3"]),
    ],
)
def test_only_what_makes_sense_is_taken(read: Callable[..., Any], good: list[Any], bad: list[Any]) -> None:
    for value in good:
        read(value, KEY)
    for value in bad:
        with pytest.raises(ValueError, match=KEY):
            read(value, KEY)


def test_limits_can_be_moved() -> None:
    assert fields.whole(0, KEY, least=0) == 0
    assert fields.whole(255, KEY, most=255) == 255
    assert fields.number(-1, KEY, positive=False) == -1.0
    assert fields.three([-1, 0, 2], KEY, positive=False) == [-1.0, 0.0, 2.0]
    assert fields.three(2, KEY) == [2.0] * 3 and fields.square([4, 4], KEY) == 4
    for read in (
        lambda: fields.whole(-1, KEY, least=0),
        lambda: fields.whole(256, KEY, most=255),
        lambda: fields.number(float("inf"), KEY, positive=False),
        lambda: fields.number(-1.1e6, KEY, positive=False),
        lambda: fields.three([0, 1, float("nan")], KEY, positive=False),
        lambda: fields.words("c", KEY, ("a", "b")),
    ):
        with pytest.raises(ValueError, match=f"{KEY}=.* is not supported, only"):
            read()


def test_a_value_is_of_the_kind_of_its_default() -> None:
    for default, good, bad in (
        (False, True, 1),
        (12, 3, 0),
        (1e-5, 1, 0.0),
        ("gelu", "relu", 2),
    ):
        assert fields.like(good, default, KEY) == good
        with pytest.raises(ValueError, match=KEY):
            fields.like(bad, default, KEY)
    assert fields.like([1], None, KEY) == [1], "where nothing is the default, anything may stand"


def test_an_object_within_an_object() -> None:
    content = {"there": {"a": 1}, "null": None, "list": []}
    assert fields.part(content, "there", "") == {"a": 1}
    assert fields.part(content, "null", "") == fields.part(content, "missing", "") == {}
    with pytest.raises(ValueError, match=r"config\.json: list=\[\] is not supported, only an object"):
        fields.part(content, "list", "config.json: ")


def test_long_values_are_shortened() -> None:
    with pytest.raises(ValueError, match="width") as caught:
        fields.whole("x" * 10_000, KEY)
    assert len(str(caught.value)) < 200
