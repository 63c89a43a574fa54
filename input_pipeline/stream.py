"""The training stream: global batch k is a pure function of (seed, k), on any number of hosts and workers.

Shuffle, repetition, mixture and every random choice are decided per global index. Only then is the stream
cut: host h of H takes the rows [h*B/H, (h+1)*B/H) of each global batch of B, so that the hosts' rows in order
are the one-host batch. Where a run stands is therefore one integer, the number of batches seen.
"""

from __future__ import annotations

import functools
import itertools
import sys
import types
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import grain
from absl import flags

from input_pipeline.activity import Activity
from input_pipeline.catalogue import Catalogue
from input_pipeline.errors import UserError
from input_pipeline.examples import Examples
from input_pipeline.fields import Batch, TableValue
from input_pipeline.first_look import check_examples
from input_pipeline.guests import Guest
from input_pipeline.host_batches import HostBatches
from input_pipeline.mixture import Address
from input_pipeline.orphans import free_shared_memory
from input_pipeline.records import BadRecord
from input_pipeline.samplers import bag_of, make_mixture
from input_pipeline.sources import open_named
from input_pipeline.spawning import check_guarded
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.watchdog import Watchdog, worker_preparation

PAIRS = ("image", "text", "text_mask")


class Stream:
    """An endless sequence of global batches, and this host's part of each."""

    def __init__(
        self, examples: Examples, wanted: Sequence[str], *, batch_size: int, seed: int, bag: int = 0
    ) -> None:
        """Describes the stream; nothing is read yet.

        Args:
          examples: by global index.
          wanted: names of the arrays to deliver; those of `fields.HOST_FIELDS` come with them.
          batch_size: of the global batch.
          seed: of everything random.
          bag: examples that make a row of the batch, [b, bag, ...]; 0 = one, [b, ...].
        """
        self._examples, self._wanted, self._seed, self._bag = examples, tuple(wanted), seed, bag
        self.batch_size = batch_size
        self.records = {name: len(source) for name, source in examples.sources.items()}
        tables = [field.table for field in examples.fields if isinstance(field, TableValue)]
        # The least and the greatest value of each field of integers that a side table delivers.
        self.bounds = {table.name: found for table in tables if (found := table.bounds())}

    def shares(self) -> dict[str, tuple[int, float]]:
        """Returns of each source how many records are used, and its share of the stream."""
        return self._examples.mixture.shares()

    @functools.cached_property
    def contents(self) -> dict[str, str]:
        """A few letters for what each source holds now, of those whose format can tell."""
        sources = self._examples.sources
        return {name: source.digest() for name, source in sources.items() if hasattr(source, "digest")}

    def address(self, index: int) -> Address:
        """Tells which record a global index stands for (if that is bad, the index shows another)."""
        return self._examples.mixture.address(index)

    def describe(self, source: int, record: int) -> str:
        """Names a record by what `own` says of it: its source, number and, where it can be read, id."""
        name = self._examples.mixture.names[source]
        try:
            identifier = f" (id '{self._examples.sources[name][record].id}')"
        except BadRecord:
            identifier = ""
        return f"record {record} of source '{name}'{identifier}"

    def batches(
        self,
        start: int = 0,
        *,
        process_index: int = 0,
        process_count: int = 1,
        workers: int = 0,
        threads: int = 2,
        prefetch: int = 4,
        watchdog: Watchdog | None = None,
    ) -> Generator[Batch, None, None]:
        """Yields this host's rows of the global batches start, start + 1, ...; close() the iterator when done.

        Args:
          start: number of global batches already seen.
          process_index, process_count: this host among all hosts.
          workers: processes that prepare batches, 0 for none. They are spawned: scripts guard `__main__`.
          threads: threads that prepare batches, in each worker.
          prefetch: batches to prepare ahead, in each worker.
          watchdog: what happens when no batch comes; without one, nothing but waiting.

        Raises:
          ValueError: the batch does not divide over the hosts, or a script that the workers would run again comes
            here unguarded.
        """
        rows = self.host_batches(start, process_index, process_count)
        ahead = max(prefetch, threads) if threads else 0
        length = sys.maxsize // self.batch_size - start
        batches = grain.MapDataset.range(length).map(rows)
        batches = batches.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead))
        if workers:
            check_guarded(f"data.workers={workers}")
            free_shared_memory()
            if not flags.FLAGS.is_parsed():  # grain reads absl flags, which only an absl app has parsed
                flags.FLAGS.mark_as_parsed()
            options = grain.MultiprocessingOptions(workers, per_worker_buffer_size=prefetch or 1)
            batches = batches.mp_prefetch(options, worker_init_fn=worker_preparation())
        return (watchdog or Watchdog()).watched(iter(batches), rows.activity)

    def host_batches(self, start: int = 0, process_index: int = 0, process_count: int = 1) -> HostBatches:
        """Returns this host's rows of global batch start + i as a function of i, without threads and processes.

        Raises:
          ValueError: the batch does not divide over the hosts.
        """
        if self.batch_size % process_count:
            raise UserError(
                f"batch_size {self.batch_size} does not divide over {process_count} hosts: use a multiple of it"
            )
        if not 0 <= process_index < process_count or start < 0:
            raise UserError(f"no batch {start} for process {process_index} of {process_count}")
        return HostBatches(
            self._examples,
            self._wanted,
            self._seed,
            self.batch_size,
            shard=process_index,
            shards=process_count,
            start=start,
            bag=self._bag,
            activity=Activity(self._examples.mixture.names),
        )


def make_stream(
    data: Mapping[str, Any],
    *,
    preprocessing: Mapping[str, Any],
    tokenizer: Tokenizer,
    batch_size: int,
    seed: int,
    fields: Sequence[str] = PAIRS,
    guests: Mapping[str, Guest] = types.MappingProxyType({}),
) -> Stream:
    """Returns the stream of a config's `data` section.

    Args:
      data: `sources` by name, `image` and `text` (how pictures and captions are varied), and optionally `image_views`,
        `text_views` and `tables` (more fields by name), `variants` and `single_source_batches`; see
        configs/base.py. Other keys are not looked at.
      preprocessing: {"resolution", "resize", ...} of the model.
      tokenizer: of the model.
      batch_size: global.
      seed: of everything random.
      fields: names of the arrays to deliver. What is not asked for is not computed.
      guests: models beside the one that is trained, by name: texts and images as they read them are NAME/field.

    Raises:
      ValueError: a source cannot be opened or none of its records used, a field cannot be delivered, or a value is
        out of its range. What concerns one source names it.
    """
    if batch_size < 1 or seed < 0:
        raise UserError(f"batch_size {batch_size} must be at least 1 and seed {seed} at least 0")
    used = {
        name: entry for name, entry in sorted(data["sources"].items()) if _positive(name, entry["weight"])
    }
    sources = {name: open_named(name, entry, data.get("cache_gb", 0.0)) for name, entry in used.items()}
    mixture = make_mixture(data, sources, used, batch_size=batch_size, seed=seed)
    ends = itertools.accumulate((len(source) for source in sources.values()), initial=0)
    first = dict(zip(sources, ends, strict=False))
    catalogue = Catalogue(data, preprocessing, tokenizer, mixture.places, guests, first)
    bag = bag_of(data)
    texts, variants = catalogue.texts(data["text"]), data.get("variants", 0)
    of_a_batch = batch_size * (bag or 1)
    examples = Examples(sources, mixture, catalogue.build(fields), texts, variants, of_a_batch)
    check_examples(examples, seed)
    return Stream(examples, fields, batch_size=batch_size, seed=seed, bag=bag)


def _positive(name: str, weight: float) -> bool:
    if weight < 0:
        raise UserError(f"source '{name}' has weight {weight}: it must be at least 0 (0 leaves it out)")
    return weight > 0
