"""Which sampler a config asks for: records by their sources' weights, or by their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.grouped import Grouped
from input_pipeline.labels import labels_of
from input_pipeline.mixture import Mixture
from input_pipeline.sources import Source
from input_pipeline.subsets import entry_records
from input_pipeline.thinned import order_of


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
        return Mixture(records, weights, seed, single, orders)
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


def _labels(source: Source, chosen: Sequence[int], of: str) -> list[str]:
    """The label of each record in use, '' where it has none."""
    every = [next(iter(labels), "") for labels in labels_of(source, of)]
    return [every[number] for number in chosen]


def bag_of(data: Mapping[str, Any]) -> int:
    """Returns how many records make a row of the batch, as [b, n, ...]; 0 = one, as [b, ...]."""
    sampler = data.get("sampler", {})
    return sampler["each"] if sampler.get("kind") == "bags" else 0
