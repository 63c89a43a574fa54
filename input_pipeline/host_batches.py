"""The last step of the stream: examples by global index become one host's rows of each global batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from input_pipeline.activity import Activity
from input_pipeline.dice import Dice
from input_pipeline.examples import Example, Examples
from input_pipeline.fields import HOST_FIELDS, Batch, Field


@dataclass(frozen=True)
class HostBatches:
    """Called with i, gives a contiguous share of global batch `start + i`.

    Whole batches are the elements on purpose: grain deals elements to workers in turn and collects them in
    turn, so their order does not depend on how many workers there are.
    """

    examples: Examples
    wanted: Sequence[str]
    seed: int
    batch_size: int
    shard: int
    shards: int
    start: int
    activity: Activity
    bag: int = 0  # examples that make a row, as [b, bag, ...]; 0 = one, as [b, ...]

    def __call__(self, number: int) -> Batch:
        batch, rows = self.start + number, self.batch_size // self.shards
        first = (batch * self.batch_size + self.shard * rows) * (self.bag or 1)
        count = rows * (self.bag or 1)
        dice, note = Dice(self.seed), self.activity.begin(batch)
        examples = [self.examples(index, dice, note) for index in range(first, first + count)]
        collated = collate(examples, self.examples.fields, self.examples.mixture.places)
        collated["index"] = np.arange(first, first + count, dtype=np.int64)
        self.activity.end(batch)
        if self.bag:  # what the host counts stays a record at a time
            for name in self.wanted:
                collated[name] = collated[name].reshape(rows, self.bag, *collated[name].shape[1:])
        return {name: collated[name] for name in (*self.wanted, *HOST_FIELDS)}


def collate(examples: Sequence[Example], fields: Sequence[Field], places: dict[str, int]) -> Batch:
    """Examples as arrays of fixed shapes."""
    batch: Batch = {
        "own": np.array([(places[example.own.source], example.own.record) for example in examples], np.int64),
        "replaced": np.array([example.replaced for example in examples], np.uint8),
        "truncated": np.zeros(len(examples), bool),
    }
    for field, shown in zip(fields, zip(*(example.shown for example in examples), strict=True), strict=True):
        field.collate(shown, batch)
    return batch
