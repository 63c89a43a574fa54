"""Samplers that keep records of a label together: class-balanced batches, and bags of several images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.mixture import Address, Mixture
from input_pipeline.shuffle import shuffled
from input_pipeline.tables import hash64

_ASTRAY = 8  # one replacement in so many is of any label, so that a label of bad records alone ends no run


class Grouped(Mixture):
    """Addresses by global index, of which each `each` in a row are of one label, and no label comes twice in a batch.

    Labels come in epochs: each batch takes other ones until all have come but for less than a batch of them, and then
    they are shuffled anew. A label's records come in rounds of their own; where it has fewer than `each`, they come
    several times. All of it is closed form, like the mixture's own. Sources are one pool: their weights say nothing.

    Attributes:
      each: records of a label in a row.
    """

    def __init__(
        self,
        records: Mapping[str, Sequence[int]],
        labels: Mapping[str, Sequence[str]],
        seed: int,
        *,
        each: int,
        batch: int,
    ) -> None:
        """Groups the records.

        Args:
          records: by source, the records to use.
          labels: of these, by source; '' = none, of records that never come.
          seed: of all orders.
          each: records of a label in a row.
          batch: labels of a batch.

        Raises:
          ValueError: no record has a label, or there are fewer labels than a batch takes.
        """
        super().__init__(records, dict.fromkeys(records, 1.0), seed)
        groups: dict[str, list[Address]] = {}
        for name in self.names:
            for record, label in zip(records[name], labels[name], strict=True):
                if label:
                    groups.setdefault(label, []).append(Address(name, record))
        if len(groups) < batch:
            raise UserError(
                f"data.sampler: a batch takes {batch} labels, and the records in use have {len(groups)}: use a smaller "
                "batch_size, a larger data.sampler.each, or data with more labels"
            )
        self.each, self._batch = each, batch
        self._groups = [(hash64(f"{seed}/{label}") % 2**32, groups[label]) for label in sorted(groups)]
        self._of = {address: place for place, (_, own) in enumerate(self._groups) for address in own}
        self._key = hash64(f"{seed}/labels") % 2**32
        self._used = {name: sum(address.source == name for address in self._of) for name in self.names}

    def address(self, index: int) -> Address:
        """Returns the record of a global index."""
        turn, member = divmod(index, self.each)
        batch, place = divmod(turn, self._batch)
        epoch, number = divmod(batch, len(self._groups) // self._batch)
        group = shuffled(number * self._batch + place, len(self._groups), self._key, epoch)
        key, own = self._groups[group]
        # A label comes at most once an epoch of labels, so that is how often it has come.
        rounds = max(1, len(own) // self.each)
        order, part = divmod(epoch, rounds)
        return own[shuffled((part * self.each + member) % len(own), len(own), key, order)]

    def shares(self) -> dict[str, tuple[int, float]]:
        """Returns of each source how many records are used, and about its share of all indices."""
        share = dict.fromkeys(self.names, 0.0)
        for _, own in self._groups:
            for address in own:
                share[address.source] += 1 / len(own) / len(self._groups)
        return {name: (self._used[name], share[name]) for name in self.names if self._used[name]}

    def another(self, address: Address, dice: np.random.Generator) -> Address:
        """Returns a random record of the same label; now and then of the whole source."""
        own = self._groups[self._of[address]][1] if address in self._of else []
        if len(own) > 1 and dice.integers(_ASTRAY):
            return own[int(dice.integers(len(own)))]
        return super().another(address, dice)
