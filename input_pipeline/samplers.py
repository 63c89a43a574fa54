"""Which sampler a config asks for: records by their sources' weights, or by their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.grouped import Grouped
from input_pipeline.labels import labels_of
from input_pipeline.mixture import Mixture
from input_pipeline.shuffle import Epochs
from input_pipeline.sources import Source
from input_pipeline.streaming.lanes import Lanes, Windows, lanes_of
from input_pipeline.streaming.source import StreamedSource
from input_pipeline.subsets import entry_records
from input_pipeline.thinned import Thinned, order_of

WINDOW = 2048


def make_mixture(
    data: Mapping[str, Any],
    sources: Mapping[str, Source],
    entries: Mapping[str, Mapping[str, Any]],
    *,
    batch_size: int,
    seed: int,
) -> Mixture:
    """Makes what gives every global index its record.

    Args:
      data: `data` of the config, with `sampler` if it says something, and `single_source_batches`.
      sources: those in use.
      entries: of these, in `data.sources`.
      batch_size: rows of a global batch.
      seed: of everything random.

    Raises:
      ValueError: a source has no records, or there are too few labels.
    """
    records = {name: entry_records(sources[name], name, entry) for name, entry in entries.items()}
    sampler = data.get("sampler", {})
    if not sampler.get("kind"):
        weights = {name: entry["weight"] for name, entry in entries.items()}
        single = batch_size if data.get("single_source_batches", False) else 0
        orders = {
            name: order_of(sources[name], name, entry, records[name], seed) for name, entry in entries.items()
        }
        if any(isinstance(source, StreamedSource) for source in sources.values()):
            return _streamed(data, sources, entries, records, orders, batch_size, seed)
        return Mixture(records, weights, seed, single, orders)
    if name := next((name for name, source in sources.items() if isinstance(source, StreamedSource)), ""):
        raise UserError(
            f"data.sampler.kind draws by labels, which would have all of source '{name}' read: it is streamed"
        )
    for name, entry in entries.items():
        if entry.get("keep_probability"):
            raise UserError(
                f"data.sources.{name}.keep_probability says nothing to data.sampler.kind='{sampler['kind']}', which "
                "draws by labels: use keep_ids there"
            )
    labels = {name: _labels(sources[name], chosen, sampler["of"]) for name, chosen in records.items()}
    each = sampler["each"]
    batch = batch_size if sampler["kind"] == "bags" else batch_size // each
    return Grouped(records, labels, seed, each=each, batch=batch)


def _streamed(
    data: Mapping[str, Any],
    sources: Mapping[str, Source],
    entries: Mapping[str, Mapping[str, Any]],
    records: Mapping[str, Sequence[int]],
    orders: Mapping[str, Epochs | Thinned],
    batch_size: int,
    seed: int,
) -> Lanes:
    """The mixture of sources of which some are streamed; these are used whole."""
    lanes, windows = lanes_of(batch_size, data.get("lanes", 0)), {}
    if data.get("single_source_batches", False):
        raise UserError(
            "data.single_source_batches=True is not for sources that are streamed: set data.cache_gb=0"
        )
    for name, source in sources.items():
        if isinstance(source, StreamedSource):
            if len(records[name]) != len(source) or entries[name].get("keep_probability"):
                raise UserError(
                    f"source '{name}' is streamed, and used whole: choose its records when it is written"
                )
            if len(source) < lanes:
                raise UserError(
                    f"source '{name}' has {len(source)} records, fewer than {lanes} lanes: fetch it whole"
                )
            windows[name] = Windows(
                source.sizes(), lanes, data.get("window", WINDOW), seed, name, source.expect
            )
    weights = {name: entry["weight"] for name, entry in entries.items()}
    return Lanes(records, weights, seed, orders, windows, batch_size=batch_size, lanes=lanes)


def _labels(source: Source, chosen: Sequence[int], of: str) -> list[str]:
    """The label of each record in use, '' where it has none."""
    every = [next(iter(labels), "") for labels in labels_of(source, of)]
    return [every[number] for number in chosen]


def bag_of(data: Mapping[str, Any]) -> int:
    """Returns how many records make a row of the batch, as [b, n, ...]; 0 = one, as [b, ...]."""
    sampler = data.get("sampler", {})
    return sampler["each"] if sampler.get("kind") == "bags" else 0
