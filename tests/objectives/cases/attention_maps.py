"""What makes the objective small, and a teacher of as many patches and heads."""

import jax
import numpy as np
from flax import nnx

from configs import base
from vlp.given import FROZEN, FrozenModel, FrozenSizes
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder

SETTINGS = {"teacher_layer": -2}


def _teacher():
    """A frozen model of the same pixels, and arrays for it."""
    config = base.get_config().model
    tiny = {"size": "", "width": 8, "depth": 2, "heads": 2, "mlp_dim": 16}
    config.image.update(tiny, patch_size=4, resolution=16)
    towers = nnx.eval_shape(
        lambda: DualEncoder(
            config,
            vocabulary_size=50,
            length=6,
            compute=Compute(),
            rngs=nnx.Rngs(0),
            towers=("image",),
        )
    )
    dice, abstract = np.random.default_rng(5), nnx.to_pure_dict(nnx.state(towers))
    arrays = jax.tree.map(lambda x: dice.normal(0.0, 0.5, x.shape).astype(np.float32), abstract)
    model = FrozenModel(
        name="teacher",
        graphdef=nnx.graphdef(towers),
        abstract=abstract,
        splits={},
        sizes=FrozenSizes(config.embed_dim, 8, 0),
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        shared=frozenset({"image"}),
        config=None,
    )
    return model, arrays


_MODEL, _ARRAYS = _teacher()
FROZEN_MODELS = {"teacher": _MODEL}
GIVEN = {FROZEN + "teacher": _ARRAYS}
