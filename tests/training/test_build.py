"""What is built before the first step: the program that draws the parameters."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from vlp import configuration
from vlp.parallel.mesh import make_mesh
from vlp.training.build import DRAWN_ONCE, build_training


@pytest.mark.parametrize("name", ["siglip2", "mobileclip"])
def test_fewer_passes_of_the_compiler_draw_the_same_bits(name: str) -> None:
    config = configuration.resolve(configuration.load_config(f"configs/{name}.py:runlocal"))
    mesh = make_mesh({"data": 1, "fsdp": 1, "model": 1})
    with jax.set_mesh(mesh):
        training = build_training(config, vocabulary_size=512, mesh=mesh)
        drawn = jax.tree.leaves(training.initial_state())
        whole = {name: 3 for name in DRAWN_ONCE}
        optimised = training.initial_state.lower().compile(compiler_options=whole)()
    for one, other in zip(drawn, jax.tree.leaves(optimised), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
