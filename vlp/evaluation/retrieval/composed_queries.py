"""Queries made of an image and a text: from the files of CIRR and FashionIQ, or from labels and tags."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from input_pipeline.errors import UserError
from vlp.evaluation.protocols import EvaluationSet

REFERENCE, TEXT, TARGET = (
    ("reference", "candidate"),
    ("text", "caption", "captions"),
    ("target_hard", "target"),
)


class ComposedQuery(NamedTuple):
    """Holds what to look for: something like the reference image, changed as the text says.

    `reference` and `targets` are places in the evaluation set; each of the targets is right.
    """

    reference: int
    text: str
    targets: tuple[int, ...]


def read_queries(path: Path, ids: Sequence[str]) -> list[ComposedQuery]:
    """Queries of a JSON list, or of one JSON object a line.

    Each has a reference image, a text and a target image or several, under the names of CIRR (`reference`,
    `caption`, `target_hard`; Liu et al. 2021), of FashionIQ (`candidate`, `captions`, `target`; Wu et al. 2021,
    whose captions are joined by "and") or plainly as `reference`, `text` and `target`. Images go by their ids.

    Raises:
        ValueError: a query without one of the three, or an image that the set does not have.
    """
    text = path.read_text(encoding="utf-8-sig")
    try:
        entries = (
            json.loads(text)
            if text.lstrip().startswith("[")
            else [json.loads(line) for line in text.splitlines() if line.strip()]
        )
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is neither a JSON list nor one JSON object a line: {error}") from error
    places = {identity: place for place, identity in enumerate(ids)}
    return [_read(entry, places, f"{path}, query {number}") for number, entry in enumerate(entries, start=1)]


def _read(entry: Any, places: Mapping[str, int], where: str) -> ComposedQuery:
    if not isinstance(entry, dict):
        raise UserError(
            f"{where} is {entry!r}, not an object with {', '.join(names[0] for names in (REFERENCE, TEXT))}"
        )

    def value(names: Sequence[str]) -> list[str]:
        given = next((entry[name] for name in names if entry.get(name) not in (None, "", [])), None)
        if given is None:
            raise UserError(f"{where} has none of {', '.join(names)}: it has {', '.join(entry)}")
        return list(map(str, given)) if isinstance(given, list) else [str(given)]

    def place(identity: str) -> int:
        if identity not in places:
            raise UserError(
                f"{where}: the evaluation set has no image {identity!r}: its ids must be the file's"
            )
        return places[identity]

    reference = place(value(REFERENCE)[0])
    targets = tuple(sorted({place(identity) for identity in value(TARGET)} - {reference}))
    if not targets:
        raise UserError(f"{where} has its own reference for a target, which is no candidate: leave it out")
    return ComposedQuery(reference, " and ".join(value(TEXT)), targets)


def tag_queries(data: EvaluationSet) -> list[ComposedQuery]:
    """Returns one query for each image that has a label: another image of that label, but with a tag that this one
    lacks.

    Of all such tags the one that most images of other labels have: it takes image and text together to find the
    right ones.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for place, label in enumerate(data.labels):
        if label:
            members[label].append(place)
    tags = [frozenset(own) for own in data.tags]
    everywhere = Counter(tag for own in tags for tag in own)
    queries = []
    for own in members.values():
        inside = Counter(tag for place in own for tag in tags[place])
        by_use = sorted(inside, key=lambda tag: (inside[tag] - everywhere[tag], tag))
        for place in own:
            tag = next((tag for tag in by_use if tag not in tags[place]), None)
            if tag is not None:
                queries.append(ComposedQuery(place, tag, tuple(one for one in own if tag in tags[one])))
    return sorted(queries)
