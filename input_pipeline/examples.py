"""What one global index shows, as a pure function of (seed, global index); bad records are replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from input_pipeline.activity import Note
from input_pipeline.dice import Dice
from input_pipeline.errors import UserError
from input_pipeline.fields import Field
from input_pipeline.mixture import Address, Mixture
from input_pipeline.records import BadRecord, Reason
from input_pipeline.sources import Source
from input_pipeline.views.text import TextView
from input_pipeline.visits import Visit

_ATTEMPTS = 100  # at half bad records, all of them fail once in 10^30 examples


class Example(NamedTuple):
    """Holds what one global index shows: an item for each field.

    Attributes:
      shown: in the order of the fields.
      own: the record that the index stands for, which is not the one shown if it is bad.
      replaced: the reason why the own record could not be used, else OK.
    """

    shown: Sequence[Any]
    own: Address
    replaced: Reason


@dataclass(frozen=True)
class Examples:
    """Examples by global index.

    Every purpose rolls its own dice, keyed by (seed, global index, purpose): another view never shifts the dice
    of this one, and neither hosts nor workers can.

    Attributes:
      texts: by source, how its captions are chosen.
      variants: fixed views of an image, of which each visit shows one; 0 = a new one.
      of_a_batch: examples that a global batch has.
    """

    sources: Mapping[str, Source]
    mixture: Mixture
    fields: Sequence[Field]
    texts: Mapping[str, TextView]
    variants: int = 0
    of_a_batch: int = 1

    def __call__(self, index: int, dice: Dice, note: Note) -> Example:
        """Returns the example of a global index.

        Args:
          index: global.
          dice: this thread's.
          note: called with each record that is looked at.

        Raises:
          ValueError: a hundred records of the source in a row are bad.
        """
        own = address = self.mixture.address(index)
        reason, detail = Reason.OK, ""
        for attempt in range(_ATTEMPTS):
            note(address)
            try:
                return Example(self._show(address, index, dice), own, reason)
            except BadRecord as bad:
                reason, detail = reason or bad.reason, str(bad)
                # Of the same source, so that mixture weights hold.
                address = self.mixture.another(address, dice.roll(index, "replacement", attempt))
        raise UserError(
            f"source '{address.source}': {_ATTEMPTS} records in a row are unusable, the last one: {detail}"
        )

    def show(self, source: str, record: int, dice: Dice) -> Sequence[Any]:
        """Returns what a record would show at global index 0; raises BadRecord where it cannot be used."""
        return self._show(Address(source, record), 0, dice)

    def _show(self, address: Address, index: int, dice: Dice) -> Sequence[Any]:
        visit = Visit(
            self.sources[address.source][address.record],
            address.source,
            address.record,
            lambda purpose: dice.roll(index, purpose),
            lambda purpose: dice.roll(index // self.of_a_batch, purpose),
            self.texts[address.source],
            self.variants,
        )
        return [field.show(visit) for field in self.fields]
