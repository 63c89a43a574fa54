"""From the `evaluators` part of a config to evaluators; what is off is neither imported nor built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pkgutil import resolve_name
from typing import Any

from vlp.configuration.needs import evaluation_sets
from vlp.evaluation.protocols import EvaluationSet, Evaluator

_EVALUATORS = {
    "zero_shot": "vlp.evaluation.classification.zero_shot:ZeroShot",
    "class_means": "vlp.evaluation.classification.class_means:ClassMeans",
    "retrieval": "vlp.evaluation.retrieval.captions:Retrieval",
    "image_retrieval": "vlp.evaluation.retrieval.images:ImageRetrieval",
    "composed_retrieval": "vlp.evaluation.retrieval.composed:ComposedRetrieval",
    "multi_label": "vlp.evaluation.tagging.multi_label:MultiLabel",
    "vocabulary_free": "vlp.evaluation.naming.vocabulary_free:VocabularyFree",
    "vocabulary_free_regions": "vlp.evaluation.dense.named_regions:VocabularyFreeRegions",
    "dense": "vlp.evaluation.dense.segmentation:Dense",
    "features": "vlp.evaluation.probes.features:Features",
    "clusters": "vlp.evaluation.structure.clusters:Clusters",
    "geometry": "vlp.evaluation.structure.geometry:Geometry",
}


def build_evaluators(
    config: Mapping[str, Mapping[str, Any]], data: Mapping[str, EvaluationSet]
) -> list[Evaluator]:
    """Evaluators that are on (every > 0, or final), in the order of their names, so alike on every host.

    Here `data` is only asked which names it knows (`in`), and its sets are fetched when first evaluated,
    so it may be a mapping that loads on demand.

    Raises:
        ValueError: an unknown evaluator, option, prompt set or evaluation set, or no set to run on.
    """
    return [_build(name, options, data) for name, options in _active(config)]


def required_sets(config: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Names of the evaluation sets that the evaluators which are on ask for, each once."""
    return tuple(dict.fromkeys(name for _, options in _active(config) for name in evaluation_sets(options)))


def _active(config: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in sorted(config):
        if name not in _EVALUATORS:
            raise ValueError(f"there is no evaluator {name!r}: take one of {', '.join(sorted(_EVALUATORS))}")
        if config[name]["every"] > 0 or config[name]["final"]:
            yield name, config[name]


def _build(name: str, options: Mapping[str, Any], data: Mapping[str, EvaluationSet]) -> Evaluator:
    kind, where = resolve_name(_EVALUATORS[name]), f"evaluators.{name}"
    known = sorted({field.name for field in fields(kind)} - {"data"})
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"{where} has no option {unknown[0]!r}: it takes {', '.join(known)}")
    if not options["sets"]:
        raise ValueError(f"{where} is on but its sets are empty: name one or more of data.evaluation")
    if missing := [one for one in options["sets"] if one not in data]:
        raise ValueError(
            f"{where}.sets asks for {missing[0]!r}: data.evaluation has {', '.join(data)}; say which, as "
            f"--config.{where}.sets=\"('{next(iter(data), 'mine')}',)\""
        )
    return kind(data=data, **{option: options[option] for option in options})
