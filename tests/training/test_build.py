"""What is built before the first step: the program that draws the parameters."""

from __future__ import annotations

import jax
import numpy as np

from vlp import configuration
from vlp.parallel.mesh import make_mesh
from vlp.training.build import DRAWN_ONCE, build_training


def test_fewer_passes_of_the_compiler_draw_the_same_bits() -> None:
    config = configuration.resolve(configuration.load_config("configs/clip.py:runlocal"))
    mesh = make_mesh({"data": 1, "fsdp": 1, "model": 1})
    with jax.set_mesh(mesh):
        training = build_training(config, vocabulary_size=512, mesh=mesh)
        drawn = jax.tree.leaves(training.initial_state())
        whole = dict.fromkeys(DRAWN_ONCE, 3)
        optimised = training.initial_state.lower().compile(compiler_options=whole)()
    for one, other in zip(drawn, jax.tree.leaves(optimised), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
