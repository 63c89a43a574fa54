"""From the `evaluators` part of a config to evaluators; what is off is neither imported nor built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from input_pipeline.errors import UserError
from vlp.configuration.needs import evaluation_sets
from vlp.configuration.parts import Part, find_part
from vlp.evaluation.protocols import EvaluationSet, Evaluator


def build_evaluators(
    config: Mapping[str, Mapping[str, Any]], data: Mapping[str, EvaluationSet]
) -> list[Evaluator]:
    """Builds the evaluators that are on (every > 0, or final), in the order of their names, so alike on every host.

    Here `data` is only asked which names it knows (`in`), and its sets are fetched when first evaluated,
    so it may be a mapping that loads on demand.

    Raises:
        ValueError: an unknown evaluator, option, prompt set or evaluation set, or no set to run on.
    """
    return [_build(name, options, data) for name, options in _active(config)]


def required_sets(config: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Returns names of the evaluation sets that the evaluators which are on ask for, each once."""
    return tuple(dict.fromkeys(name for _, options in _active(config) for name in evaluation_sets(options)))


def towers_read(config: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Returns which towers the evaluators that are on read, of 'image' and 'text'."""
    return frozenset().union(*(_part(name, entry).load().towers(entry) for name, entry in _active(config)))


def _active(config: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return (
        (name, config[name]) for name in sorted(config) if config[name]["every"] > 0 or config[name]["final"]
    )


def _part(name: str, entry: Mapping[str, Any]) -> Part:
    return find_part("evaluators", entry.get("kind", name), f"evaluators.{name}")


def _build(name: str, entry: Mapping[str, Any], data: Mapping[str, EvaluationSet]) -> Evaluator:
    where, part = f"evaluators.{name}", _part(name, entry)
    if unknown := sorted(set(entry) - set(part.settings)):
        raise UserError(f"{where} has no option {unknown[0]!r}: it takes {', '.join(part.settings)}")
    if not entry["sets"]:
        raise UserError(f"{where} is on but its sets are empty: name one or more of data.evaluation")
    if missing := [one for one in entry["sets"] if one not in data]:
        raise UserError(
            f"{where}.sets asks for {missing[0]!r}: data.evaluation has {', '.join(data)}; say which, as "
            f"--config.{where}.sets=\"('{next(iter(data), 'mine')}',)\""
        )
    options = {option: value for option, value in part.whole(entry).items() if option != "kind"}
    evaluator: Evaluator = part.load()(name=name, data=data, **options)
    return evaluator
