"""What is lost from one domain to another: probes trained on domain A, measured on its own test set and on others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from input_pipeline.errors import UserError
from vlp.evaluation.probes.features import Features
from vlp.evaluation.protocols import Encoder


@dataclass(frozen=True)
class Transfer(Features):
    """Holds the suite of `Features`, and for each other domain how far its accuracy lies below that on domain A.

    Let's Go Shopping (arXiv 2401.04575) asks this of product photographs and ImageNet. Classes, fits and penalties are
    of domain A alone; probes of tags are none of its parts, for their tags are chosen with the test set's.

    Attributes:
      sets: the test set of domain A, then those of other domains.
      train_sets: the one training set, of domain A.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.sets) < 2 or len(self.train_sets) != 1 or "tags" in self.parts:
            raise UserError(
                f"evaluators.{self.name} needs one of train_sets (domain A) and two sets or more (A's test set, then "
                "others), and parts without tags"
            )

    def __call__(self, model: Encoder) -> dict[str, float]:
        drops = {name: float(values.mean()) for name, values in self._drops(model).items()}
        return {**super().__call__(model), **drops}

    def chance(self) -> dict[str, float]:
        """Returns those of the suite; of a drop, that of a model which knows nothing of either domain."""
        chance = super().chance()
        own, *others = self.sets
        for other in others:
            for name in [
                name for name in chance if name.startswith(f"{self.name}/{own}/") and "/top1" in name
            ]:
                figure = name.removeprefix(f"{self.name}/{own}/")
                there = f"{self.name}/{other}/{figure}"
                chance[_drop(there)] = chance[name] - chance[there]
        return chance

    def outcomes(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        """Returns those of the suite, and of each drop values of which it is the mean."""
        return {**super().outcomes(model), **self._drops(model)}

    def _drops(self, model: Encoder) -> dict[str, Float[np.ndarray, " queries"]]:
        found, (own, *others) = super().outcomes(model), self.sets
        figures = [name.removeprefix(f"{self.name}/{own}/") for name in found if f"/{own}/" in name]
        return {
            _drop(f"{self.name}/{other}/{figure}"): difference_of_means(
                found[f"{self.name}/{own}/{figure}"], found[f"{self.name}/{other}/{figure}"]
            )
            for other in others
            for figure in figures
        }


def difference_of_means(
    first: Float[np.ndarray, " n"], second: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " n+m"]:
    """Returns values whose mean is mean(first) - mean(second), and the variance of whose mean is the sum of both's.

    So that an interval of their mean, drawn as those of all figures, is one of the difference of independent samples.
    """
    one, other, count = first.mean(), second.mean(), len(first) + len(second)
    left = (first - one) * count / len(first)
    right = (other - second) * count / len(second)
    return np.concatenate([left, right]) + (one - other)


def _drop(name: str) -> str:
    return f"{name}_drop"
