"""What is built before the first step: the program that draws the parameters."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from vlp import configuration
from vlp.parallel.mesh import make_mesh
from vlp.training.build import build_training


def test_fewer_passes_of_the_compiler_draw_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration.resolve(configuration.load_config("configs/clip.py:runlocal"))
    mesh = make_mesh({"data": 1, "fsdp": 1, "model": 1})

    def drawn() -> list[bytes]:
        with jax.set_mesh(mesh):
            state = build_training(config, vocabulary_size=512, mesh=mesh).initial_state()
        return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state)]

    few = drawn()
    monkeypatch.setattr("vlp.training.build.DRAWN_ONCE", {"xla_backend_optimization_level": 3})
    assert few == drawn()
