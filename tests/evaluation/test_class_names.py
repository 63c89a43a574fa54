from __future__ import annotations

import pytest

from vlp.evaluation.class_names import category_name, category_names, naming_rule


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("animals-nature/animal-mammal", "animal mammal, animals nature"),
        ("signs_and_symbols/flags", "flags, signs and symbols"),
        ("furniture/living room", "living room, furniture"),
        ("office", "office"),
        ("/a//b /", "b, a"),
    ],
)
def test_a_category_is_read_from_its_narrowest_part(label: str, name: str) -> None:
    assert category_name(label) == name


def test_one_leaf_under_several_parents_stays_several_classes() -> None:
    names = category_names(["office", "objects/office", "furniture/office"])
    assert names == ["office", "office, objects", "office, furniture"]


def test_categories_that_would_share_a_name_keep_their_label() -> None:
    labels = ["a-b", "a_b", "a b", "b/a", "a, b", "-", "c"]
    assert category_names(labels) == labels
    assert category_names(["a-b", "b/a"]) == ["a b", "a, b"]


def test_an_unknown_rule_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="category, verbatim"):
        naming_rule("categories")
