"""One visit to a record: what several fields of a batch share, computed at most once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from input_pipeline.decode import MAX_PIXELS, Picture, open_picture
from input_pipeline.once import Once
from input_pipeline.records import BadRecord, Reason, Record
from input_pipeline.variants import variant_dice
from input_pipeline.views.text import TextView


@dataclass
class Visit:
    """One visit to a record; what fields share is computed when the first asks for it.

    Attributes:
      record: what the source delivered.
      source: name of the source in the config.
      number: of the record in it.
      roll: this visit's dice for a purpose.
      roll_of_batch: those of its batch, the same for all visits of it.
      text_view: of the source.
      variants: fixed views of an image, of which the visit shows one; 0 = a new one.
    """

    record: Record
    source: str
    number: int
    roll: Callable[[str], np.random.Generator]
    roll_of_batch: Callable[[str], np.random.Generator]
    text_view: TextView
    variants: int = 0

    @Once
    def text(self) -> str:
        """The caption shown as `text`.

        Raises:
          BadRecord: there is none.
        """
        return self.text_view(self.record, self.roll("text"))

    @Once
    def means_label(self) -> bool:
        """Tells whether `text` is about the record's label: then all that show the label are the same (UniCL)."""
        return self.text_view.means_label(self.record, self.roll("text"))

    @Once
    def variant(self) -> int:
        """The number of the fixed view of its image that is shown."""
        return int(self.roll("variant").integers(self.variants))

    def image_dice(self) -> np.random.Generator:
        """Returns the dice of what is shown as `image`."""
        return variant_dice(self.record.id, self.variant) if self.variants else self.roll("image")

    @Once
    def picture(self) -> Picture:
        """The image, which is decoded as far as the views need it.

        Raises:
          BadRecord: there is none, or it is damaged or too large.
        """
        if self.record.image is None:
            raise BadRecord(Reason.MISSING_IMAGE, f"record '{self.record.id}' has no image")
        return open_picture(self.record.image, MAX_PIXELS)
