"""Rules by regular expression for everything parameter-shaped: one matcher, first match wins."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple, TypeVar

import jax

T = TypeVar("T")


class Rule(NamedTuple):
    """A regular expression searched for in slash-joined parameter paths, and what it stands for."""

    pattern: str
    value: str


def parse_rules(text: str) -> tuple[Rule, ...]:
    """Parse `"regex = value; regex = value"`; the last `=` of a rule separates, so `(?=...)` is fine.

    Raises:
        ValueError: a rule without `=`, pattern or value, or whose pattern is no regular expression.
    """
    return tuple(_parse_rule(part.strip()) for part in text.split(";") if part.strip())


def _parse_rule(text: str) -> Rule:
    pattern, _, value = (part.strip() for part in text.rpartition("="))
    if not pattern or not value:
        raise ValueError(f"rule {text!r} must read 'regex = value' (several are separated by ';')")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"rule {text!r}: {pattern!r} is not a regular expression ({error})") from error
    return Rule(pattern, value)


def tree_paths(tree: Any) -> list[str]:
    """The slash-joined path of every leaf, in leaf order: `image/blocks/attention/query/kernel`."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]


def match_paths(
    rules: str, paths: Sequence[str], *, default: T, convert: Callable[[str], T], name: str = "rules"
) -> list[T]:
    """The value of the first rule that matches (`re.search`), for every path.

    Args:
        rules: `"regex = value; ..."`; empty means `default` everywhere.
        paths: slash-joined parameter paths.
        default: the value of a path that no rule matches.
        convert: turns a rule's text into its value; a ValueError from it is reported with the rule.
        name: what to call the rules in an error, such as `optimizer.learning_rate_rules`.

    Raises:
        ValueError: a rule cannot be read, matches no path, or never applies because the rules
            before it take all its paths.
    """
    values = [default] * len(paths)
    free = set(range(len(paths)))
    for rule in parse_rules(rules):
        matched = {i for i, path in enumerate(paths) if re.search(rule.pattern, path)}
        _check_applies(rule, matched, free, paths, name)
        value = _convert(rule, convert, name)
        for i in matched & free:
            values[i] = value
        free -= matched
    return values


def match_tree(rules: str, tree: Any, *, default: T, convert: Callable[[str], T], name: str = "rules") -> Any:
    """`match_paths` over the leaves of a nested dict; returns the values in the same nesting."""
    values = match_paths(rules, tree_paths(tree), default=default, convert=convert, name=name)
    return jax.tree.unflatten(jax.tree.structure(tree), values)


def _convert(rule: Rule, convert: Callable[[str], T], name: str) -> T:
    try:
        return convert(rule.value)
    except ValueError as error:
        raise ValueError(
            f"{name}: cannot read the value of '{rule.pattern} = {rule.value}': {error}"
        ) from error


def _check_applies(rule: Rule, matched: set[int], free: set[int], paths: Sequence[str], name: str) -> None:
    text = f"{name}: rule '{rule.pattern} = {rule.value}'"
    if not matched:
        raise ValueError(f"{text} matches no parameter; nearest paths: {', '.join(_nearest(rule, paths))}")
    if not matched & free:
        raise ValueError(
            f"{text} never applies: earlier rules take all {len(matched)} parameters it matches "
            f"(first match wins, so put it before them)"
        )


def _nearest(rule: Rule, paths: Sequence[str], count: int = 3) -> list[str]:
    words = re.sub(r"\\.|[^\w/]", "", rule.pattern)

    def distance(path: str) -> tuple[int, int]:
        blocks = SequenceMatcher(None, words, path, autojunk=False).get_matching_blocks()
        # Characters in common count, fragments cost: a whole matching segment beats scattered letters.
        return len(blocks) - 2 * sum(block.size for block in blocks), len(path)

    return sorted(paths, key=distance)[:count]
