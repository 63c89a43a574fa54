"""Rules by regular expression: parsing, first match, and the errors of rules that do nothing."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from vlp.path_rules import Rule, alternatives, match_paths, match_tree, parse_rules, tree_paths

PARAMS = {
    "image": {"blocks": {"attention": {"query": {"kernel": np.zeros((2, 4, 4)), "bias": np.zeros((2, 4))}}}},
    "heads": {0: {"kernel": np.zeros(3)}, 1: {"kernel": np.zeros(3)}},
    "logit_scale": jax.ShapeDtypeStruct((), np.float32),
}


def test_paths_are_slash_joined_and_take_integer_keys() -> None:
    assert tree_paths(PARAMS) == [
        "heads/0/kernel",
        "heads/1/kernel",
        "image/blocks/attention/query/bias",
        "image/blocks/attention/query/kernel",
        "logit_scale",
    ]


def test_parse_splits_on_the_last_equals_sign_and_ignores_empty_parts() -> None:
    assert parse_rules(" a.*b = 0 ; (?=x)y=2;") == (Rule("a.*b", "0"), Rule("(?=x)y", "2"))
    assert parse_rules("") == ()


@pytest.mark.parametrize("text", ["kernel", "= 1", "kernel =", "ker(nel = 1"])
def test_unreadable_rules_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rule"):
        parse_rules(text)


def test_first_match_wins_and_the_rest_gets_the_default() -> None:
    values = match_tree("attention.*kernel$ = 2; kernel$ = 3", PARAMS, default=1.0, convert=float)
    assert values == {
        "image": {"blocks": {"attention": {"query": {"kernel": 2.0, "bias": 1.0}}}},
        "heads": {0: {"kernel": 3.0}, 1: {"kernel": 3.0}},
        "logit_scale": 1.0,
    }


def test_values_may_be_anything_that_convert_returns() -> None:
    axes = match_paths(
        "a$ = data, model", ["x/a", "x/b"], default=["none"], convert=lambda text: text.split(", ")
    )
    assert axes == [["data", "model"], ["none"]]


def test_a_rule_that_matches_nothing_names_itself_and_the_nearest_path() -> None:
    with pytest.raises(ValueError) as error:
        match_tree("image/block/.*kernel = 0", PARAMS, default=1.0, convert=float, name="decay")
    message = str(error.value)
    assert message.startswith("decay: rule 'image/block/.*kernel = 0' matches no parameter")
    nearest = message.split("nearest paths: ")[1].split(", ")
    assert nearest[0] == "image/blocks/attention/query/kernel" and len(nearest) == 3


def test_a_rule_hidden_by_earlier_ones_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'heads/0 = 0' never applies.*put it before"):
        match_tree(".* = 1; heads/0 = 0", PARAMS, default=1.0, convert=float)


def test_a_value_that_cannot_be_read_names_the_rule() -> None:
    with pytest.raises(ValueError, match="bias = tiny"):
        match_tree("bias = tiny", PARAMS, default=1.0, convert=float)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("(bias|scale)$", ["(bias)$", "(scale)$"]),
        ("a|b", ["a", "b"]),
        ("x(a|b(c|d))y", ["x(a|b(c))y", "x(a|b(d))y", "x(a)y", "x(b(c|d))y"]),
        ("(?:a|b)(?P<n>c|d)", ["(?:a)(?P<n>c|d)", "(?:b)(?P<n>c|d)", "(?:a|b)(?P<n>c)", "(?:a|b)(?P<n>d)"]),
        (r"(?!a|b)c|d\|e[|)(]", ["(?!a|b)c", r"d\|e[|)(]"]),
        ("^heads/", []),
    ],
)
def test_alternatives_are_taken_one_by_one(pattern, expected) -> None:
    assert alternatives(pattern) == expected


def test_a_dead_alternative_of_a_rule_that_matches_is_refused_unless_it_may_be() -> None:
    paths = ["image/position/embedding", "image/bias"]
    with pytest.raises(ValueError) as error:
        match_paths("(bias|position)$ = 0", paths, default=1.0, convert=float, name="decay")
    message = str(error.value)
    assert message.startswith("decay: rule '(bias|position)$ = 0': its alternative '(position)$' matches no")
    assert "image/position/embedding" in message and "'?='" in message
    assert match_paths("(bias|position)$ ?= 0", paths, default=1.0, convert=float) == [1.0, 0.0]
    assert match_paths("nothing ?= 0", paths, default=1.0, convert=float) == [1.0, 1.0]
    # An alternative that earlier rules have taken is alive all the same.
    assert match_paths("bias = 2; (bias|embedding)$ = 0", paths, default=1.0, convert=float) == [0.0, 2.0]


def test_a_question_mark_of_the_expression_is_none_of_the_sign() -> None:
    assert parse_rules("biase?=0; x ?= 1; y ?=2") == (
        Rule("biase?", "0"),
        Rule("x", "1", optional=True),
        Rule("y", "2", optional=True),
    )
