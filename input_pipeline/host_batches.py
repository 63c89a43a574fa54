"""The last step of the stream: examples by global index become one host's rows of each global batch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import grain
import numpy as np

from input_pipeline.examples import Example
from input_pipeline.tokenizers import Tokenizer

Batch = dict[str, np.ndarray]
"""image uint8 [b, h, w, 3]; text int32 and text_mask bool [b, length]; index int64 and replaced uint8 [b]."""


class HostBatches(grain.MapDataset[Batch]):
    """Element i is a contiguous share of global batch `start + i`.

    Whole batches are the elements on purpose: grain deals elements to workers in turn and collects them in
    turn, so their order does not depend on how many workers there are.
    """

    def __init__(
        self,
        examples: grain.MapDataset[Example],
        tokenizer: Tokenizer,
        batch_size: int,
        *,
        shard: int,
        shards: int,
        start: int,
    ) -> None:
        super().__init__(examples)
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        self._start = start
        self._rows = batch_size // shards
        self._offset = shard * self._rows

    def __len__(self) -> int:
        return sys.maxsize // self._batch_size - self._start

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.slice(index)
        first = (self._start + index) * self._batch_size + self._offset
        return collate([self._parent[row] for row in range(first, first + self._rows)], self._tokenizer)


def collate(examples: Sequence[Example], tokenizer: Tokenizer) -> Batch:
    """Examples as arrays of fixed shapes."""
    text, mask = tokenizer.encode([example.text for example in examples])
    return {
        "image": np.stack([example.image for example in examples]),
        "text": text,
        "text_mask": mask,
        "index": np.array([example.index for example in examples], np.int64),
        "replaced": np.array([example.replaced for example in examples], np.uint8),
    }
