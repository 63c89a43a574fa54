"""Fixed views of a record's image: each is a function of its id and a number, so that what is stored of it is its own.

A stored embedding of a view is worth something where a run shows that very view (MobileCLIP, Vasu et al. 2024, arXiv
2311.17049, section 3).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from input_pipeline.decode import MAX_PIXELS, open_picture
from input_pipeline.dice import Dice
from input_pipeline.tables import hash64
from input_pipeline.views.frames import Shown
from input_pipeline.views.image import TrainingView

_PURPOSE = "variant of an image"


def variant_dice(identifier: str, number: int) -> np.random.Generator:
    """Makes the dice of a fixed view of a record's image; neither a run's seed nor the place in its stream matters."""
    return Dice(0).roll(hash64(identifier), _PURPOSE, number)


@dataclass(frozen=True)
class FixedViews:
    """The first fixed views of images, as a run with as many `data.variants` shows them.

    Attributes:
      view: one visit's, such as a crop.
      count: how many there are.
    """

    view: TrainingView
    count: int

    @classmethod
    def build(cls, preprocessing: Mapping[str, Any], image: Mapping[str, Any], count: int) -> FixedViews:
        """Returns the views of the settings of `data.image`, as a model of this preprocessing sees them."""
        return cls(TrainingView.build(preprocessing, image), count)

    @property
    def digest(self) -> str:
        """Returns a few letters for what decides which view a number is; a teacher may see it at another resolution."""
        own = self.view
        augmented = [
            [one.name, one.probability, sorted(getattr(one.apply, "__dict__", {}).items())]
            for one in own.augmentations
        ]
        said = [own.mode, own.crop_scale, own.crop_ratio, own.flip, augmented]
        return hashlib.sha256(json.dumps(_plain(said)).encode()).hexdigest()[:16]

    def __call__(self, identifier: str, image: bytes) -> tuple[Shown, ...]:
        """Returns the views of a record's encoded image; raises BadRecord if it cannot be read."""
        picture = open_picture(image, MAX_PIXELS)
        return tuple(self.view(picture, variant_dice(identifier, number)) for number in range(self.count))


def _plain(value: Any) -> Any:
    """Lists of texts and floats: 1 and 1.0 are the same setting."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, str) else float(value)
