"""Rules by regular expression for everything parameter-shaped: one matcher, first match wins."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple, TypeVar

import jax

from input_pipeline.errors import UserError

T = TypeVar("T")


class Rule(NamedTuple):
    """A regular expression searched for in slash-joined parameter paths, and what it stands for.

    Attributes:
        pattern: the regular expression.
        value: not yet converted.
        optional: whether it may match nothing, or one of its alternatives may: written `regex ?= value`.
    """

    pattern: str
    value: str
    optional: bool = False


def parse_rules(text: str) -> tuple[Rule, ...]:
    """Parses `"regex = value; regex ?= value"`; the last `=` of a rule separates, so `(?=...)` is fine.

    Raises:
        ValueError: a rule without `=`, pattern or value, or whose pattern is no regular expression.
    """
    return tuple(_parse_rule(part.strip()) for part in text.split(";") if part.strip())


def _parse_rule(text: str) -> Rule:
    before, _, value = text.rpartition("=")
    # With a space before it the question mark is the sign's, without one the expression's.
    optional = before.endswith(" ?")
    pattern, value = before.removesuffix(" ?").strip(), value.strip()
    if not pattern or not value:
        raise UserError(f"rule {text!r} must read 'regex = value' (several are separated by ';')")
    try:
        re.compile(pattern)
    except re.error as error:
        raise UserError(f"rule {text!r}: {pattern!r} is not a regular expression ({error})") from error
    return Rule(pattern, value, optional)


def alternatives(pattern: str) -> list[str]:
    """Returns the expressions that one alternative of a pattern, or of one of its groups, leaves of it: `(a|b)$` has a$
    and b$.

    Groups that forbid or ask something (`(?!a|b)`) are left alone.
    """
    narrowed: list[str] = []
    opened: list[list[int]] = [[0]]  # of each open group, where its alternatives begin
    for place, sign in _signs(pattern):
        if sign == "(":
            opened.append([place + 1])
        elif sign == "|":
            opened[-1].append(place + 1)
        else:
            starts = opened.pop()
            head = _GROUP_HEAD.match(pattern, starts[0])
            if len(starts) > 1 and head is not None:
                first = head.end()
                ends = [start - 1 for start in starts[1:]] + [place]
                narrowed += [
                    f"{pattern[:first]}{pattern[start:end]}{pattern[place:]}"
                    for start, end in zip([first, *starts[1:]], ends, strict=True)
                ]
    return narrowed


# What may stand between a group's parenthesis and its first alternative, where the group matches what it says.
_GROUP_HEAD = re.compile(r"(\?(:|P<\w+>|=|<=|>))?(?!\?)")
_SIGN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|([(|)])", re.DOTALL)


def _signs(pattern: str) -> list[tuple[int, str]]:
    """Parentheses and bars that are neither escaped nor in a class, and the end, which closes what is outermost."""
    found = [(match.start(), match[1]) for match in _SIGN.finditer(pattern) if match[1]]
    return [*found, (len(pattern), ")")]


def tree_paths(tree: Any) -> list[str]:
    """Returns the slash-joined path of every leaf, in leaf order: `image/blocks/attention/query/kernel`."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]


def match_paths(
    rules: str,
    paths: Sequence[str],
    *,
    default: T,
    convert: Callable[[str], T],
    name: str = "rules",
    what: str = "parameter",
) -> list[T]:
    """Returns the value of the first rule that matches (`re.search`), for every path.

    Args:
        rules: `"regex = value; ..."`; empty means `default` everywhere.
        paths: slash-joined parameter paths.
        default: the value of a path that no rule matches.
        convert: turns a rule's text into its value; a ValueError from it is reported with the rule.
        name: what to call the rules in an error, such as `optimizer.learning_rate_rules`.
        what: what to call that which the paths lead to.

    Raises:
        ValueError: a rule cannot be read, matches no path, has an alternative that matches none, or never applies
            because the rules before it take all its paths. `regex ?= value` may match nothing.
    """
    values = [default] * len(paths)
    free = set(range(len(paths)))
    for rule in parse_rules(rules):
        matched = {i for i, path in enumerate(paths) if re.search(rule.pattern, path)}
        _check_applies(rule, matched, free, paths, name, what)
        value = _convert(rule, convert, name)
        for i in matched & free:
            values[i] = value
        free -= matched
    return values


def match_tree(rules: str, tree: Any, *, default: T, convert: Callable[[str], T], name: str = "rules") -> Any:
    """Matches as `match_paths` does over the leaves of a nested dict; returns the values in the same nesting."""
    values = match_paths(rules, tree_paths(tree), default=default, convert=convert, name=name)
    return jax.tree.unflatten(jax.tree.structure(tree), values)


def _convert(rule: Rule, convert: Callable[[str], T], name: str) -> T:
    try:
        return convert(rule.value)
    except ValueError as error:
        raise UserError(
            f"{name}: cannot read the value of '{rule.pattern} = {rule.value}': {error}"
        ) from error


def _check_applies(
    rule: Rule, matched: set[int], free: set[int], paths: Sequence[str], name: str, what: str
) -> None:
    if rule.optional:
        return
    text = f"{name}: rule '{rule.pattern} = {rule.value}'"
    if not matched:
        near = ", ".join(_nearest(rule.pattern, paths))
        raise UserError(f"{text} matches no {what}; nearest paths: {near}")
    for alternative in alternatives(rule.pattern):
        if not any(re.search(alternative, path) for path in paths):
            raise UserError(
                f"{text}: its alternative '{alternative}' matches no {what}; nearest paths: "
                f"{', '.join(_nearest(alternative, paths))}. Write '?=' in the place of '=' where that may be"
            )
    if not matched & free:
        raise UserError(
            f"{text} never applies: earlier rules take all {len(matched)} {what}s it matches "
            f"(first match wins, so put it before them)"
        )


def _nearest(pattern: str, paths: Sequence[str], count: int = 3) -> list[str]:
    words = re.sub(r"\\.|[^\w/]", "", pattern)

    def distance(path: str) -> tuple[int, int]:
        blocks = SequenceMatcher(None, words, path, autojunk=False).get_matching_blocks()
        # Characters in common count, fragments cost: a whole matching segment beats scattered letters.
        return len(blocks) - 2 * sum(block.size for block in blocks), len(path)

    return sorted(paths, key=distance)[:count]
