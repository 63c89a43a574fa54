"""A workdir belongs to one config."""

from __future__ import annotations

import pytest

from vlp.checkpoint import check_same_config, config_differences

OLD = {"steps": 10, "k": (1, 5), "optimizer": {"learning_rate": 0.1, "name": "adamw"}, "optimizer_note": "a"}


def test_tuples_are_what_json_makes_of_them() -> None:
    assert config_differences(OLD, {**OLD, "k": [1, 5]}) == {}


def test_differences_have_dotted_paths() -> None:
    new = {"steps": 10, "k": (1, 10), "optimizer": {"learning_rate": 0.2, "name": "adamw", "b1": 0.9}}
    assert config_differences(OLD, new) == {
        "k": ([1, 5], [1, 10]),
        "optimizer.b1": ("(absent)", 0.9),
        "optimizer.learning_rate": (0.1, 0.2),
        "optimizer_note": ("a", "(absent)"),
    }


def test_names_values_and_flag() -> None:
    new = {**OLD, "steps": 20, "optimizer": {"learning_rate": 0.2, "name": "adamw"}}
    with pytest.raises(ValueError) as error:
        check_same_config(OLD, new)
    words = str(error.value)
    assert "steps: 10 there, 20 now" in words
    assert "optimizer.learning_rate: 0.1 there, 0.2 now" in words
    assert "--allow_config_change=optimizer.learning_rate,steps" in words
    assert "\n" not in words


def test_of_many_a_few_are_named_and_the_rest_counted() -> None:
    new = {**OLD, "optimizer": {f"setting_{number}": "x" * 500 for number in range(40)}}
    with pytest.raises(ValueError) as error:
        check_same_config(OLD, new)
    words = str(error.value)
    assert len(words) < 800 and "optimizer.learning_rate: 0.1 there, '(absent)' now" in words
    assert "and 37 more)" in words and words.endswith("--allow_config_change=optimizer")


def test_another_password_is_no_other_config() -> None:
    address = "https://me:{}@host/a.tar?sig={}"
    old = {**OLD, "k": [address.format("***", "")], "path": "https://***@host/a.tar?***"}
    new = {**OLD, "k": (address.format("new", ""),), "path": address.format("secret", "abc")}
    check_same_config(old, new)
    with pytest.raises(ValueError) as error:
        check_same_config(old, {**new, "path": address.format("secret", "abc").replace("a.tar", "b.tar")})
    assert "secret" not in str(error.value) and "b.tar" in str(error.value)


def test_an_allowed_branch_allows_its_leaves_only() -> None:
    new = {**OLD, "optimizer": {"learning_rate": 0.2, "name": "adamw"}}
    check_same_config(OLD, new, ["optimizer"])
    check_same_config(OLD, new, ["optimizer.learning_rate"])
    for allowed in (["optim"], ["optimizer.name"], []):
        with pytest.raises(ValueError):
            check_same_config(OLD, new, allowed)
    with pytest.raises(ValueError, match="optimizer_note"):
        check_same_config(OLD, {**OLD, "optimizer_note": "b"}, ["optimizer"])
