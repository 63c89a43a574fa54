"""The training stream: global batch k is a pure function of (seed, k), on any number of hosts and workers.

Shuffle, repetition, mixture and every random choice are decided per global index. Only then is the stream
cut: host h of H takes the rows [h*B/H, (h+1)*B/H) of each global batch of B, so that the hosts' rows in order
are the one-host batch. Where a run stands is therefore one integer, the number of batches seen.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import grain
from absl import flags

from input_pipeline.examples import Address, Examples
from input_pipeline.host_batches import Batch, HostBatches
from input_pipeline.shuffle import epochs
from input_pipeline.sources import Source, open_source
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.image import TrainingView
from input_pipeline.views.text import TextView


class Stream:
    """An endless sequence of global batches, and this host's part of each."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        weights: Mapping[str, float],
        *,
        image_view: TrainingView,
        text_view: TextView,
        tokenizer: Tokenizer,
        batch_size: int,
        seed: int,
    ) -> None:
        """Describe the stream; nothing is read yet.

        Args:
          sources: by name. A source is shuffled anew in every one of its epochs and each epoch is whole.
          weights: share of each source in the mixture, relative to their sum; 0 leaves the source out.
          image_view, text_view: what one visit to a record shows.
          tokenizer: of the chosen captions.
          batch_size: of the global batch.
          seed: of everything random.

        Raises:
          ValueError: no source with a positive weight, an empty one, or a number that is out of its range.
        """
        if batch_size < 1 or seed < 0:
            raise ValueError(f"batch_size {batch_size} must be at least 1 and seed {seed} at least 0")
        used = {name: sources[name] for name in sorted(sources) if _positive(name, weights[name])}
        self._addresses = _mixture(used, weights, seed)
        self._examples = self._addresses.map_with_index(Examples(used, image_view, text_view, seed))
        self._tokenizer = tokenizer
        self.batch_size = batch_size
        self.records = {name: len(source) for name, source in used.items()}

    def address(self, index: int) -> Address:
        """Which record a global index stands for (if that is bad, the index shows another)."""
        return self._addresses[index]

    def batches(
        self,
        start: int = 0,
        *,
        process_index: int = 0,
        process_count: int = 1,
        workers: int = 0,
        threads: int = 2,
        prefetch: int = 4,
    ) -> Iterator[Batch]:
        """This host's rows of the global batches start, start + 1, ...; close() the iterator when done.

        Args:
          start: number of global batches already seen.
          process_index, process_count: this host among all hosts.
          workers: processes that prepare batches, 0 for none. They are spawned: scripts guard `__main__`.
          threads: threads that prepare batches, in each worker.
          prefetch: batches to prepare ahead, in each worker.

        Raises:
          ValueError: the batch does not divide over the hosts.
        """
        if self.batch_size % process_count:
            raise ValueError(
                f"batch_size {self.batch_size} does not divide over {process_count} hosts: use a multiple of it"
            )
        if not 0 <= process_index < process_count or start < 0:
            raise ValueError(f"no batch {start} for process {process_index} of {process_count}")
        rows = HostBatches(
            self._examples,
            self._tokenizer,
            self.batch_size,
            shard=process_index,
            shards=process_count,
            start=start,
        )
        ahead = max(prefetch, threads) if threads else 0
        batches = rows.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead))
        if workers:
            if not flags.FLAGS.is_parsed():  # grain reads absl flags, which only an absl app has parsed
                flags.FLAGS.mark_as_parsed()
            batches = batches.mp_prefetch(
                grain.MultiprocessingOptions(workers, per_worker_buffer_size=prefetch or 1)
            )
        return _closing(iter(batches))


def make_stream(
    data: Mapping[str, Any],
    *,
    preprocessing: Mapping[str, Any],
    tokenizer: Tokenizer,
    batch_size: int,
    seed: int,
) -> Stream:
    """The stream of a config's `data` section.

    Args:
      data: {"sources": {name: {"format", "path", "weight", "columns"}}, "image": {"crop_scale", "crop_ratio",
        "flip"}, "text": {"choice"}}; other keys are not looked at.
      preprocessing: {"resolution", "resize", ...} of the model.
      tokenizer: of the model.
      batch_size: global.
      seed: of everything random.

    Raises:
      ValueError: a source cannot be opened, or a value is out of its range.
    """
    used = {name: source for name, source in data["sources"].items() if _positive(name, source["weight"])}
    return Stream(
        {name: open_source(source) for name, source in used.items()},
        {name: source["weight"] for name, source in used.items()},
        image_view=TrainingView.build(preprocessing, data["image"]),
        text_view=TextView(**data["text"]),
        tokenizer=tokenizer,
        batch_size=batch_size,
        seed=seed,
    )


def _mixture(
    sources: Mapping[str, Source], weights: Mapping[str, float], seed: int
) -> grain.MapDataset[Address]:
    if not sources:
        raise ValueError("data.sources has no source with a positive weight")
    for name, source in sources.items():
        if not len(source):
            raise ValueError(f"source '{name}' has no records")
    orders = [
        epochs(len(source), seed, name).map(functools.partial(Address, name))
        for name, source in sources.items()
    ]
    return grain.MapDataset.mix(orders, [weights[name] for name in sources]) if len(orders) > 1 else orders[0]


def _positive(name: str, weight: float) -> bool:
    if weight < 0:
        raise ValueError(f"source '{name}' has weight {weight}: it must be at least 0 (0 leaves it out)")
    return weight > 0


def _closing(iterator: grain.DatasetIterator[Batch]) -> Iterator[Batch]:
    """A generator that stops threads and workers when it is closed or collected."""
    try:
        yield from iterator
    finally:
        iterator.close()
