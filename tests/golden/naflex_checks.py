"""SigLIP 2's image tower for images at their own aspect ratio, as transformers computes it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from golden_vectors import TOLERANCES, Golden, value_and_gradients
from ml_collections import ConfigDict

from vlp.interop import huggingface, mapping
from vlp.models.compute import Compute
from vlp.models.naflex import NaFlexTransformer, positions_of

WIDTH, SIDE, PATCH = 12, 4, 2
SIZE = {"size": "", "width": WIDTH, "depth": 2, "mlp_dim": 20}
OWN = {"kind": "naflex", "patch_size": PATCH, "resolution": SIDE * PATCH, "patches": 18}
POOL = {"pool": "attention", "project_query": True}


def theirs(golden: Golden, name: str) -> Any:
    """A tensor by its name in a checkpoint, in whose layout products are [out, in]."""
    own = name.removeprefix("vision_model.").replace(".", "_")
    kernel = own.replace("weight", "kernel")
    return golden[kernel].T if own.endswith("weight") and kernel in golden.arrays else golden[own]


def naflex(golden: Golden) -> None:
    """Positions of three shapes, outputs, the pooled vector and its gradient by pixels, of which padding has none."""
    settings = ConfigDict({**SIZE, "heads": int(golden.number("n_heads")), **OWN, **POOL})
    table = [
        one
        for one in huggingface.entries({"image": settings, "text": ConfigDict({**SIZE, "heads": 1})})
        if one.theirs[0].startswith("vision_model.")
    ]
    names = {name.format(layer=at) for one in table for at in one.layers or (0,) for name in one.theirs}
    leaves = mapping.read(table, {name: theirs(golden, name) for name in names})
    leaves = {path.removeprefix("image/"): jnp.asarray(leaf, golden.dtype) for path, leaf in leaves.items()}
    tower = NaFlexTransformer(settings, compute=Compute(golden.dtype), rngs=nnx.Rngs(0))
    tower = nnx.merge(nnx.graphdef(tower), mapping.nested(leaves))
    pixels, cotangent = golden.inputs("pixel_patches", "cotangent")
    grid, valid = jnp.asarray(golden["spatial_shapes"], jnp.int32), golden["valid"]
    positions = positions_of(tower.position(), grid, valid.shape[1])
    golden.gradients(jnp.where(valid[..., None], positions, 0), golden["positions"])

    def encoded(pixels: jax.Array) -> Any:
        return tower(pixels.reshape(*pixels.shape[:2], -1, 3), grid=grid)

    output = jax.jit(encoded)(pixels)
    golden.tolerances = TOLERANCES["float32"]  # in which attention's softmax is taken
    golden.gradients(output.padded, golden["last_hidden"])
    golden.gradients(output.pooled, golden["pooled"])
    _, (slope,) = value_and_gradients(lambda x: (cotangent * encoded(x).pooled).sum(), [pixels], 1)
    golden.gradients(slope, golden["grad_pixel_patches"])
    assert not jnp.where(valid[..., None], 0, slope).any()


CHECKS = {"siglip2_naflex": naflex}
