"""Single values: what is wrong with their type, what flags make of them, and which name was meant."""

from __future__ import annotations

from typing import Any

import pytest
from ml_collections import ConfigDict

from vlp.configuration import ConfigError
from vlp.configuration.errors import LONGEST, nearest, unknown
from vlp.configuration.flag_types import BooleanParser, FloatParser, IntegerParser, TupleParser, like
from vlp.configuration.group_flags import apply_group_flags, sets_group
from vlp.configuration.values import problem


@pytest.mark.parametrize(
    ("value", "default", "said"),
    [
        (1.5, 0.5, ""),
        (2, 0.5, ""),
        (True, 0.5, "must be a float"),
        (float("inf"), 0.5, "must be a finite number"),
        (2, 1, ""),
        (2.0, 1, "must be a int"),
        (True, 1, "must be a int"),
        (1, True, "must be a bool"),
        ("a", "", ""),
        (1, "", "must be a str"),
        ((1,), (), ""),
        ([1], (), ""),
        ("ab", (), "must be a tuple"),
        ([1], "", "must be a str"),
        ({}, {"a": 1}, ""),
        (ConfigDict(), {}, ""),
        ((), {}, "must be a dict"),
    ],
)
def test_a_value_has_the_type_of_the_default_in_whose_place_it_stands(
    value: Any, default: Any, said: str
) -> None:
    assert problem(value, default) == said


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        (IntegerParser(), "1e3", 1000),
        (IntegerParser(), "-7", -7),
        (IntegerParser(), "1.5", None),
        (IntegerParser(), "inf", None),
        (IntegerParser(), "two", None),
        (FloatParser(), "1", 1.0),
        (FloatParser(), "nan", None),
        (FloatParser(), "-inf", None),
        (BooleanParser(), "false", False),
        (BooleanParser(), "1", True),
        (BooleanParser(), "2", None),
        (TupleParser(), "1,5", (1, 5)),
        (TupleParser(), "a, b,", ("a", "b")),
        (TupleParser(), "", ()),
        (TupleParser(), "[1, 2]", (1, 2)),
        (TupleParser(), "7", (7,)),
        (TupleParser(), "{'a': 1}", None),
    ],
)
def test_the_text_of_a_flag_becomes_a_value_or_is_refused(parser: Any, text: str, value: Any) -> None:
    if value is None:
        with pytest.raises(ValueError, match="expected"):
            parser.parse(text)
    else:
        found = parser.parse(text)
        assert found == value and type(found) is type(value)


def test_items_are_of_the_type_of_the_default_s() -> None:
    assert like((1, 2), ()) == (1, 2) and like((), (0.5,)) == ()
    found = like((1, 0.5), (0.0,))
    assert found == (1.0, 0.5) and [type(item) for item in found] == [float, float]
    for value, default in (((1,), ("a",)), (("a",), (1,)), ((True,), (0.5,)), ((0.5,), (1,))):
        with pytest.raises(ValueError, match=f"expected items of type {type(default[0]).__name__}"):
            like(value, default)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("optimizer.learning_rte", "optimizer.learning_rate"),
        ("learning_rate", "optimizer.learning_rate"),
        ("steps", "steps"),
        ("zzzzzzzzzz.other", "a.other"),
        ("zzz", ""),
    ],
)
def test_the_nearest_name_is_looked_for_in_whole_paths_and_then_in_their_ends(name: str, found: str) -> None:
    assert nearest(name, ["optimizer.learning_rate", "steps", "a.other", "c.other"]) == found


def test_names_are_listed_where_they_are_few() -> None:
    assert str(unknown("job", "trian", ["train", "plan"])) == (
        "there is no job 'trian': did you mean 'train'? There is plan, train"
    )
    assert str(unknown("job", "x", [])) == "there is no job 'x'. There is none"
    many = [f"name{number:02}" for number in range(41)]
    assert str(unknown("job", "x", many)) == "there is no job 'x'."
    assert "name39" in str(unknown("job", "x", many[:40]))


def test_a_message_keeps_its_beginning_and_its_end() -> None:
    assert str(ConfigError("a  b\n c")) == "a b c"
    whole = "a" * LONGEST
    assert str(ConfigError(whole)) == whole
    short = str(ConfigError("a" * 600 + "b" * 600))
    assert short == "a" * 500 + " ... " + "b" * 334


@pytest.mark.parametrize(
    ("argument", "path", "value"),
    [
        ("--config.data.sources=/data/my set.parquet", "data.sources.my_set.path", "/data/my set.parquet"),
        (
            "--config.data.sources=https://host/a-b.tar?key=1",
            "data.sources.a_b.path",
            "https://host/a-b.tar?key=1",
        ),
        ("--config.data.sources=/", "data.sources.source.path", "/"),
        ("--config.data.sources.mine=/data/x", "data.sources.mine.path", "/data/x"),
        ("--config.data.tables={'x': {'path': 'y'}}", "data.tables.x.path", "y"),
        ("--config.data.sources.old.columns={'image': 'z'}", "data.sources.old.columns.image", "z"),
    ],
)
def test_a_group_is_set_by_a_dict_and_a_source_by_its_path(argument: str, path: str, value: str) -> None:
    old = {"old": {"path": "a", "columns": {}}}
    for arguments in ([argument], argument.split("=", 1)):
        config = ConfigDict({"data": {"sources": old, "tables": {}}}).lock()
        assert apply_group_flags(config, ["--other", *arguments]) == ["--other"]
        found = config
        for part in path.split("."):
            found = found[part]
        assert found == value


def test_which_paths_stand_for_whole_groups() -> None:
    for path in ("objectives", "objectives.mine", "data.sources", "data.sources.a", "data.sources.a.columns"):
        assert sets_group(path)
    for path in (
        "data",
        "objectives.mine.weight",
        "data.sources.a.path",
        "optimizer",
        "data.tables.a.columns",
    ):
        assert not sets_group(path)
    config = ConfigDict({"data": {"sources": {}}}).lock()
    for text in ("{'a': 1", "{1: {}}", "[1]", ""):
        with pytest.raises(ConfigError, match="is no Python dict with names as keys"):
            apply_group_flags(config, [f"--config.data.tables={text}"])
    with pytest.raises(ConfigError, match=r"there is no gone in data\.sources\.gone"):
        apply_group_flags(config, ["--config.data.sources.gone.columns={}"])
