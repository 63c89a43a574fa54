"""What makes the objective small, and a teacher with a classifier."""

import jax
import numpy as np
from flax import nnx

from configs import base
from vlp.given import FROZEN, PARTS, FrozenModel, FrozenSizes
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.objectives.classification import Classifier

SETTINGS = {"classes": 6, "temperature": 2.0}
PART = "classification/classifier"


def _teacher():
    """A frozen model of the same pixels, and arrays for it."""
    config = base.get_config().model
    tiny = {"size": "", "width": 8, "depth": 1, "heads": 2, "mlp_dim": 16}
    config.embed_dim = 12
    config.image.update(tiny, patch_size=8, resolution=16)

    def build():
        rngs = nnx.Rngs(0)
        towers = DualEncoder(
            config, vocabulary_size=50, length=6, compute=Compute(), rngs=rngs, towers=("image",)
        )
        return towers, Classifier(6, 12, bias=0.0, rngs=rngs)

    towers, part = nnx.eval_shape(build)
    pure = [nnx.to_pure_dict(nnx.state(one)) for one in (towers, part)]
    dice = np.random.default_rng(5)
    abstract = {**pure[0], PARTS: {PART: pure[1]}}
    arrays = jax.tree.map(lambda x: dice.normal(0.0, 0.5, x.shape).astype(np.float32), abstract)
    model = FrozenModel(
        name="teacher",
        graphdef=nnx.graphdef(towers),
        abstract=abstract,
        splits={},
        sizes=FrozenSizes(12, 8, 0),
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        shared=frozenset({"image"}),
        config=None,
        parts={PART: nnx.graphdef(part)},
    )
    return model, arrays


_MODEL, _ARRAYS = _teacher()
FROZEN_MODELS = {"teacher": _MODEL}
GIVEN = {FROZEN + "teacher": _ARRAYS}
