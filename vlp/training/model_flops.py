"""FLOPs of the configured towers, for MFU."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import Any

from ml_collections import ConfigDict

from vlp.given import Given
from vlp.models.adapters import adapter_flops
from vlp.models.families import family
from vlp.models.flops import FORWARDS_PER_STEP
from vlp.objectives.base import CROPS, REGION_PAIRS
from vlp.objectives.weights import Weight
from vlp.pretrainer import Pretrainer


def forward_flops(
    config: Any, fields: Collection[str] = ("image", "text"), *, shares: Mapping[str, float] | None = None
) -> float:
    """Returns analytic forward FLOPs of one example in the towers: matrix products and convolutions only, with the
    patches that training keeps, of all records of a row where a row of the batch is a bag, and of the share of rows
    that are trained on. What else there is counts `other_flops`.

    Args:
      config: the whole resolved config.
      fields: batch fields that are encoded, of `image`, `text` and the names of the config's views.
      shares: of a step's passes that a tower costs of which something is held; see `vlp.training.towers.step_shares`.
    """
    sampler = config.data.get("sampler", {})
    records = sampler.each if sampler and sampler.kind == "bags" else 1
    passes = {name: (shares or {}).get(tower_of(config, name), 1.0) for name in fields}
    return (
        trained_share(config)
        * records
        * sum(share * _field_flops(config, name) for name, share in passes.items())
    )


def trained_share(config: Any) -> float:
    """Returns which share of a batch's rows is trained on; 1 where none is left out (see `vlp.selection`)."""
    return 1.0 - sum(entry.ratio for entry in config.get("selection", {}).values())


def tower_of(config: Any, field: str) -> str:
    """Returns the tower that encodes a batch field; '' of one that is not encoded."""
    if field in ("image", CROPS) or field in config.data.image_views:
        return "image"
    return "text" if field in ("text", "region_text") or field in config.data.text_views else ""


def other_flops(config: Any, pretrainer: Pretrainer, given: Given) -> float:
    """Returns forward FLOPs of one example beside the run's towers: their adapters, what objectives say of themselves
    (`Objective.flops`), the texts that are encoded once a step, fields that a tower encodes again, and copies of towers
    and frozen models, which count a third, as they have no backward pass.

    Args:
      config: the whole resolved config.
      pretrainer: towers and active objectives; shapes are enough.
      given: what stands beside the batches.
    """
    objectives, trained = pretrainer.objectives.values(), trained_share(config)
    flops = trained * sum(float(one.flops()) for one in objectives)
    flops += trained * _adapter_flops(config, pretrainer)
    for one in objectives:
        flops += trained * sum(cost * _views(config, name) for name, cost in one.view_flops().items())
        flops += forward_flops(config, one.copied) / FORWARDS_PER_STEP + forward_flops(config, one.again)
        flops += trained**2 * config.batch_size * float(one.pair_flops())
    asked = {name for one in objectives for name in (*one.constants, *one.fields)}
    if selector := pretrainer.selector:
        # Before anything is trained on, all rows are looked at, without a backward pass.
        seen = [name for name in selector.fields if "/" not in name]
        flops += (forward_flops(config, seen) / trained + selector.flops()) / FORWARDS_PER_STEP
        asked |= {name for name in selector.fields if "/" in name}
    for name in sorted(asked):
        model, slash, plain = name.rpartition("/")
        own = given.frozen[model].config if slash else config
        share = 1 / FORWARDS_PER_STEP if slash else 1.0
        if plain in given.texts:
            texts = len(given.texts[plain]["ids"])
            whole = forward_flops(own, ("text",)) / trained_share(own)
            flops += share * texts * whole / config.batch_size
        elif slash:
            flops += share * forward_flops(own, (plain,))
    return flops


def scheduled_flops(config: Any, pretrainer: Pretrainer) -> tuple[tuple[Weight, float], ...]:
    """Counts what each objective with a schedule adds to the forward FLOPs of one example, where others do not ask for
    the same: what an update costs less that it has no say in."""
    objectives, found = dict(pretrainer.objectives.items()), []
    for name, weight in pretrainer.weights.items():
        if weight.constant:
            continue
        one = objectives[name]
        others = {field for other, it in objectives.items() if other != name for field in it.fields}
        own = [field for field in one.fields if field in pretrainer.encoded and field not in others]
        flops = forward_flops(config, [field for field in own if "/" not in field])
        flops += forward_flops(config, one.copied) / FORWARDS_PER_STEP
        parts = sum(cost * _views(config, field) for field, cost in one.view_flops().items())
        parts += trained_share(config) * config.batch_size * float(one.pair_flops())
        found.append((weight, flops + trained_share(config) * (float(one.flops()) + parts)))
    return tuple(found)


def _adapter_flops(config: Any, pretrainer: Pretrainer) -> float:
    """Counts the adapters of both towers, over all views of an example that go through them."""
    model, total = pretrainer.model, 0.0
    for field in (name for name in pretrainer.encoded if "/" not in name):
        tower, inputs, count = _passes(config, field)
        if tower:
            total += count * adapter_flops(model, functools.partial(_rows, config, tower, inputs))
    return total


def _rows(config: Any, tower: str, inputs: int, path: str) -> int:
    """How many rows a layer of the dual encoder sees of one input of a tower."""
    branch, _, within = path.removeprefix("model/").partition("/")
    if branch == f"{tower}_projection":
        return 1
    settings = config.model[tower]
    return family(tower, settings).rows(settings, inputs, within) if branch == tower else 0


def _views(config: Any, field: str) -> int:
    """Counts the views of a field, of one example; a region is one, too."""
    if field.startswith("region_"):
        regions = int(config.data.get("regions", {}).get("most", 1))
        return regions * (regions - 1) if field == REGION_PAIRS else regions
    views = {**config.data.image_views, **config.data.text_views}.get(field, {})
    return int(views.get("count", 1))


def _field_flops(config: Any, name: str) -> int:
    """Counts one tower over all views of a field."""
    tower, inputs, count = _passes(config, name)
    return count * _tower_flops(config, tower, inputs) if tower else 0


def _passes(config: Any, name: str) -> tuple[str, int, int]:
    """The tower that a field goes through, the size of what it sees, and how often; a view's entry may leave out what
    input_pipeline/catalogue.py fills in."""
    tower = tower_of(config, name)
    view = {**config.data.image_views, **config.data.text_views}.get(name, {})
    side = view.get("resolution", 0) or config.model.image.resolution
    return tower, config.tokenizer.length if tower == "text" else side, _views(config, name)


def _tower_flops(config: Any, tower: str, inputs: int) -> int:
    """Counts a tower; of images whose length is drawn, the mean of all lengths."""
    settings, kind = config.model[tower], family(tower, config.model[tower])
    drawn = config.data.get("image", {}).get("budgets", ()) if tower == "image" else ()
    lengths = [one for one in drawn if one <= settings.patches]
    if not lengths:
        return kind.forward_flops(settings, inputs, config.model.embed_dim)
    each = (ConfigDict({**settings.to_dict(), "patches": one}) for one in lengths)
    return sum(kind.forward_flops(one, inputs, config.model.embed_dim) for one in each) // len(lengths)
