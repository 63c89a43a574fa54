from __future__ import annotations

import json
import math

import pytest

from vlp.evaluation.texts.descriptions import (
    characteristic_tags,
    confusable,
    describe,
    load_descriptions,
)

EXAMPLES = [
    ("cats", ["fur", "tail", "pet"]),
    ("cats", ["fur", "tail", "whiskers", "whiskers"]),
    ("dogs", ["fur", "tail", "pet", "leash"]),
    ("fish", ["tail", "fins"]),
    ("", ["fins", "fur"]),
    ("birds", []),
]


def test_tags_are_ordered_by_how_well_they_tell_a_class() -> None:
    tags = characteristic_tags(EXAMPLES, 8)
    assert list(tags) == ["birds", "cats", "dogs", "fish"]
    # Shares among the five labelled examples: fur 3/5, tail 4/5, pet 2/5, whiskers, leash and fins 1/5.
    weights = {
        "fur": math.log(5 / 3),
        "tail": math.log(5 / 4),
        "pet": 1 / 2 * math.log(5 / 4),
        "whiskers": 1 / 2 * math.log(5 / 2),
    }
    assert tags["cats"] == sorted(weights, key=weights.get, reverse=True)
    assert tags["dogs"][0] == "leash" and tags["fish"] == ["fins", "tail"] and tags["birds"] == []
    assert characteristic_tags(EXAMPLES, 1)["cats"] == tags["cats"][:1]


def test_what_everyone_has_tells_nothing() -> None:
    assert characteristic_tags([("a", ["x", "y"]), ("b", ["x"])], 8) == {"a": ["y"], "b": []}


def test_every_tag_is_written_into_every_template() -> None:
    assert describe("cat", ["claws", "fur"], ["{attribute}", "{name} with {attribute}"]) == [
        "claws",
        "cat with claws",
        "fur",
        "cat with fur",
    ]


def test_a_file_of_descriptions_is_checked(tmp_path) -> None:
    path = tmp_path / "descriptions.json"
    path.write_text(json.dumps({"cat": ["a small animal.", "it purrs."]}))
    assert load_descriptions(str(path)) == {"cat": ["a small animal.", "it purrs."]}
    for content, message in (
        ("{", "is no JSON"),
        ("[]", "must hold an object from class to texts, not a list"),
        ('{"cat": []}', "class 'cat' must have a list"),
        ('{"cat": "purrs"}', "class 'cat' must have a list"),
        ('{"cat": ["", "purrs"]}', "class 'cat' must have a list"),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=message):
            load_descriptions(str(path))


def test_others_are_like_a_label_by_its_branch_first_and_then_by_what_both_have() -> None:
    tags = {
        "animals/cow": ["grass"],
        "food/cake": ["fur", "claws"],
        "animals/dog": ["fur", "bark", "bone", "walk"],
        "animals/cat": ["fur", "claws"],
        "pets/cat": ["fur", "claws"],
        "plants/moss": [],
    }
    found = confusable(tags, {label: label.partition("/")[2] for label in tags}, 3)
    assert found["animals/cat"] == {
        "type": "animals",
        "others": [
            {"name": "dog", "text": "dog: fur, bark, bone"},
            {"name": "cow", "text": "cow: grass"},
            {"name": "cake", "text": "cake: fur, claws"},
        ],
    }
    assert "plants/moss" not in found and len(found["animals/cow"]["others"]) == 3
