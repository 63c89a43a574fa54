"""Fields as another model reads them, beside the one that is trained: in its own resolution and its own tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from input_pipeline.fields import Batch, Field, Shapes
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.visits import Visit

_PIXELS = ("resolution", "resize", "patches", "patch_size")  # the device normalises


@dataclass(frozen=True, eq=False)
class Guest:
    """A model that is not trained, as far as data are concerned.

    Attributes:
      preprocessing: {"resolution", "resize", ...} of the model.
      tokenizer: of the model.
    """

    preprocessing: Mapping[str, Any]
    tokenizer: Tokenizer

    def same_pixels(self, preprocessing: Mapping[str, Any]) -> bool:
        """Tells whether an image of another model is one of this, before it is normalised."""
        return all(self.preprocessing.get(key) == preprocessing.get(key) for key in _PIXELS)

    def same_tokens(self, tokenizer: Tokenizer) -> bool:
        """Tells whether another model's token ids are this one's."""
        return self.tokenizer.spec == tokenizer.spec


@dataclass(frozen=True)
class GuestField:
    """NAME/field: a field with the same dice, and so the same crop and caption, made for a guest.

    What of its texts is cut is the guest's affair: `truncated` is not touched.
    """

    guest: str
    field: Field

    def shapes(self) -> Shapes:
        return {f"{self.guest}/{name}": shape for name, shape in self.field.shapes().items()}

    def show(self, visit: Visit) -> Any:
        return self.field.show(visit)

    def collate(self, shown: Sequence[Any], batch: Batch) -> None:
        own: Batch = {"truncated": np.zeros(len(shown), bool)}
        self.field.collate(shown, own)
        del own["truncated"]
        batch.update({f"{self.guest}/{name}": array for name, array in own.items()})
