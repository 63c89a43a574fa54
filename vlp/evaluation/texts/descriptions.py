"""Descriptions of classes: sentences from a file (CuPL), and such files made from the tags of examples."""

from __future__ import annotations

import functools
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from input_pipeline.errors import UserError
from vlp.configuration.paths import find, looked_in


def load_descriptions(path: str) -> dict[str, list[str]]:
    """Sentences by class: a JSON object from labels or class names to lists of texts, as CuPL publishes them.

    Raises:
        ValueError: there is no such file, or it has another form.
    """
    files = find(path)
    if not files:
        raise UserError(
            f"there are no descriptions at '{path}'{looked_in(path)}: --job=describe writes such a file"
        )
    try:
        sentences = json.loads(files[0].read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise UserError(f"{files[0]} is no JSON: {error}") from None
    if not isinstance(sentences, dict):
        raise UserError(
            f"{files[0]} must hold an object from class to texts, not a {type(sentences).__name__}"
        )
    for label, own in sentences.items():
        if not isinstance(own, list) or not own or not all(isinstance(text, str) and text for text in own):
            raise UserError(f"{files[0]}: class {label!r} must have a list of one or more texts")
    return sentences


def characteristic_tags(examples: Iterable[tuple[str, Sequence[str]]], count: int) -> dict[str, list[str]]:
    """Returns for each label, sorted, the tags that tell it from the others, the most telling first.

    Tags are ordered by their part in the divergence of the label's tags from everyone's: share in the label x
    log(share in the label / share among all); one that is as frequent elsewhere is left out.

    Args:
        examples: label and tags of each; those without a label count nowhere.
        count: tags of a label at most.
    """
    own: dict[str, Counter[str]] = defaultdict(Counter)
    sizes: Counter[str] = Counter()
    for label, tags in examples:
        if label:
            sizes[label] += 1
            own[label].update(set(tags))
    among_all = sum(own.values(), Counter())
    return {
        label: _most_telling(own[label], sizes[label], among_all, sizes.total(), count)
        for label in sorted(sizes)
    }


def describe(name: str, attributes: Sequence[str], templates: Sequence[str]) -> list[str]:
    """Returns every attribute in every template, in which {name} and {attribute} stand for them."""
    return [
        template.replace("{attribute}", attribute).replace("{name}", name)
        for attribute in attributes
        for template in templates
    ]


def confusable(
    tags: Mapping[str, Sequence[str]], names: Mapping[str, str], count: int
) -> dict[str, dict[str, object]]:
    """Returns for each label the others that are most like it: of its branch first, then by the tags both have.

    Args:
        tags: that tell each label; one without any is left out.
        names: of the labels.
        count: of others.
    """

    def likeness(label: str, other: str) -> tuple[bool, int]:
        return branch(label) == branch(other), len({*tags[label]} & {*tags[other]})

    def branch(label: str) -> str:
        return label.partition("/")[0]

    found: dict[str, dict[str, object]] = {}
    described = [label for label in tags if tags[label]]
    for label in described:
        unlike = [one for one in described if names[one] != names[label]]
        others = sorted(unlike, key=functools.partial(likeness, label))[-count:]
        shown = [
            {"name": names[one], "text": f"{names[one]}: {', '.join(tags[one][:3])}"}
            for one in reversed(others)
        ]
        found[label] = {"type": branch(label), "others": shown}
    return found


def _most_telling(
    own: Mapping[str, int], size: int, among_all: Mapping[str, int], total: int, count: int
) -> list[str]:
    def weight(tag: str) -> float:
        return own[tag] / size * math.log(own[tag] / size * total / among_all[tag])

    return [tag for tag in sorted(own, key=lambda tag: (-weight(tag), tag)) if weight(tag) > 0][:count]
