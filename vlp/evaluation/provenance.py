"""Where figures come from: the checkpoint, the data, the settings, and what was left out; kept beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from vlp.configuration.needs import evaluation_sets
from vlp.evaluation.protocols import Evaluator

PROVENANCE = "provenance"  # its key in a file of figures, whose other keys are figures
_OF_RUNS = ("data", "name", "every", "final")  # fields of evaluators that say nothing about their figures


def provenance(evaluators: Sequence[Evaluator], **origin: Any) -> dict[str, Any]:
    """Tells what the figures of some evaluators are over, as plain data for a file.

    Args:
      evaluators: that have run.
      origin: what else there is to say, such as checkpoint and step; it comes first.
    """
    settings = {one.name: _settings(one) for one in evaluators}
    return {
        **origin,
        "data": _gathered(evaluators, "origins"),
        "images": _gathered(evaluators, "sizes"),
        "skipped": _gathered(evaluators, "skipped"),
        "templates": {name: own["templates"] for name, own in settings.items() if own.get("templates")},
        "evaluators": settings,
    }


def in_words(found: Mapping[str, Any]) -> dict[str, str]:
    """Returns the same in words, for a page: of data and templates a line each, and whatever else is plain."""
    words = {name: str(value) for name, value in found.items() if isinstance(value, str | int)}
    sizes = found["images"]
    data = [
        f"{name}: {sizes[name]:,} images, {entry['format']}, {entry['path']}"
        for name, entry in found["data"].items()
        if name in sizes
    ]
    words |= {"data": "; ".join(data), "evaluators": ", ".join(found["evaluators"])}
    if found["templates"]:
        words["templates"] = ", ".join(f"{one} of {name}" for name, one in found["templates"].items())
    words["left out"] = "; ".join(left_out(found["skipped"])) or "nothing"
    return words


def left_out(skipped: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Returns a line for each set that records were left out of: how many, and why."""
    return [
        f"{name}: {sum(counts.values()):,} records could not be used ("
        + ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
        + ")"
        for name, counts in skipped.items()
    ]


def skipped_records(evaluators: Iterable[Evaluator]) -> dict[str, dict[str, int]]:
    """Returns how many records were left out of the sets that were read, by set and reason; none where all are
    there."""
    return _gathered(evaluators, "skipped")


def _gathered(evaluators: Iterable[Evaluator], what: str) -> dict[str, Any]:
    """What the evaluators' data say of the sets that they use; mappings of a test or a user may say nothing."""
    found: dict[str, Any] = {}
    for one in evaluators:
        settings = _settings(one)
        used = {*evaluation_sets(settings), settings.get("learned")}
        found |= {name: value for name, value in getattr(one.data, what, {}).items() if name in used}
    return found


def _settings(evaluator: Evaluator) -> dict[str, Any]:
    names = [field.name for field in fields(evaluator)]  # type: ignore[arg-type]
    return {name: getattr(evaluator, name) for name in names if name not in _OF_RUNS}
