"""timm's image towers, which some of OpenCLIP's models have in the place of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from input_pipeline.errors import UserError
from vlp.interop import fields, timm_convnext, timm_fastvit, timm_vit
from vlp.interop.huggingface import layer
from vlp.interop.mapping import TRANSPOSED, Entry, Tensors, entry

TRUNK, HEAD = "visual.trunk.", "visual.head."
WHERE = "open_clip_config.json: vision_cfg."
POOLS = {"class": "token", "mean": "avg", "attention": "map"}  # ours, and timm's names of them


def settings(vision: Mapping[str, Any], tensors: Tensors, embed_dim: int) -> dict[str, Any]:
    """Returns our `model.image` for a `vision_cfg` that names one of timm's towers.

    Args:
      vision: as the file has it: there, null is not the same as nothing.
      tensors: all of the file's.
      embed_dim: of the joint space.

    Raises:
      ValueError: it is not one of ours, or is used otherwise than they are.
    """
    name = fields.words(vision["timm_model_name"], f"{WHERE}timm_model_name")
    side = fields.square(vision.get("image_size", 224), f"{WHERE}image_size")
    if timm_convnext.known(name):
        image = {**timm_convnext.settings(name, tensors, TRUNK), "resolution": side}
    elif timm_fastvit.known(name):
        image = {**timm_fastvit.settings(name, tensors, TRUNK), "resolution": side}
    elif timm_vit.known(name):
        image = timm_vit.settings(name, side, tensors, TRUNK)
    else:
        raise UserError(f"{WHERE}timm_model_name={name!r} is not supported")
    projection = vision.get("timm_proj", "linear")
    pool = vision.get("timm_pool", "avg")
    # An empty one leaves the tower its own pool, where a projection follows that is not the tower's.
    own = POOLS[image.get("pool", "mean")]
    if pool != own and not (pool == "" and projection in ("linear", "mlp")):
        raise UserError(f"{WHERE}timm_pool={pool!r} is not supported with {name}, only {own!r}")
    return {**image, **_projection(projection, bool(vision.get("timm_proj_bias")), embed_dim)}


def _projection(kind: Any, bias: bool, embed_dim: int) -> dict[str, Any]:
    """Without a projection of open_clip's there is timm's own classifier."""
    if kind == "mlp" and not bias:
        return {"projection": "gelu", "projection_dim": 2 * embed_dim}
    found = {None: "biased", "none": "none", "linear": "biased" if bias else "linear"}
    if kind not in found:
        raise UserError(f"{WHERE}timm_proj={kind!r} is not supported{' with timm_proj_bias' * bias}")
    return {"projection": found[kind]}


# What names the weights of a trunk, by our kind of tower.
TRUNKS: dict[str, Callable[[Any, Tensors, str], list[Entry]]] = {
    "vit": timm_vit.entries,
    "convnext": timm_convnext.entries,
    "fastvit": timm_fastvit.entries,
}


def entries(image: Any, tensors: Tensors) -> list[Entry]:
    """Returns the table of such a tower and its projection."""
    return [*TRUNKS[image.kind](image, tensors, TRUNK), *_projected(image, tensors)]


def _projected(image: Any, tensors: Tensors) -> list[Entry]:
    ours = "image_projection"
    if image.projection == "gelu":
        last = entry(f"{ours}/layers/1/kernel", f"{HEAD}mlp.fc2.weight", TRANSPOSED)
        return [*layer(f"{ours}/layers/0", f"{HEAD}mlp.fc1"), last]
    if image.projection == "linear":
        return [entry(f"{ours}/kernel", f"{HEAD}proj.weight", TRANSPOSED)]
    places = (f"{HEAD}proj", f"{TRUNK}head", f"{TRUNK}head.fc")
    theirs = next((place for place in places if f"{place}.weight" in tensors), places[0])
    return layer(ours, theirs) if image.projection == "biased" else []
