"""The one place where jobs join the input pipeline to the trainer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from input_pipeline.evaluation_set import EvaluationSet, load_evaluation_set


def preprocessing_spec(config: Any) -> dict[str, Any]:
    """How an image becomes pixels: one spec for training, evaluation, checkpoints and export."""
    image = config.data.image
    return {
        "resolution": config.model.image.resolution,
        "resize": image.resize,
        "mean": list(image.mean),
        "std": list(image.std),
    }


class EvaluationSets(Mapping[str, EvaluationSet]):
    """The config's evaluation sets by name, each loaded when it is first asked for."""

    def __init__(self, config: Any, preprocessing: Mapping[str, Any]):
        """Remembers where the sets are; reads nothing yet."""
        self._sources, self._preprocessing = config.data.evaluation, preprocessing
        self._loaded: dict[str, EvaluationSet] = {}

    def __getitem__(self, name: str) -> EvaluationSet:
        if name not in self._loaded:
            self._loaded[name] = load_evaluation_set(self._sources[name], self._preprocessing)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)
