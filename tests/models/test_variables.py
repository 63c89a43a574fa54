"""What every parameter has to be, whatever tower it is of."""

from __future__ import annotations

import jax
import pytest
from flax import nnx

import vlp
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder

SMALL = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 16, "layer_scale": 0.1}


@pytest.mark.parametrize(
    "image",
    [{**SMALL, "resolution": 16, "patch_size": 8}, {"kind": "convnext", "size": "T", "resolution": 32}],
    ids=["vit", "convnext"],
)
def test_no_parameter_is_weakly_typed_which_would_compile_the_step_twice(image: dict[str, object]) -> None:
    model = vlp.config("configs/base.py", model={"image": image, "text": SMALL}).model

    def build() -> nnx.State:
        encoder = DualEncoder(model, vocabulary_size=9, length=4, compute=Compute(), rngs=nnx.Rngs(0))
        return nnx.state(encoder, nnx.Param)

    leaves = jax.tree_util.tree_leaves_with_path(jax.eval_shape(build))
    assert leaves and [jax.tree_util.keystr(path) for path, leaf in leaves if leaf.weak_type] == []
