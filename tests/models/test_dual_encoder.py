"""The learned scale of cosines: where it is kept, and where it is left alone."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import base
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.training.start import check_bounds
from vlp.training.state import clamp, parameter_bounds

PATH = ("logit_scale",)


def abstract(**scale):
    config = base.get_config().model
    config.unlock()
    tiny = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}
    config.embed_dim = 8
    config.image.update(tiny, patch_size=8, resolution=16)
    config.text.update(tiny)
    config.logit_scale.update(scale)
    return nnx.eval_shape(
        lambda: DualEncoder(config, vocabulary_size=50, length=6, compute=Compute(), rngs=nnx.Rngs(0))
    )


def clamped(scale, **settings):
    """What the step leaves of a scale."""
    params = {"logit_scale": jnp.log(jnp.float32(scale))}
    return float(jnp.exp(clamp(params, parameter_bounds(abstract(**settings)))["logit_scale"]))


def test_a_learned_scale_is_kept_between_its_limits():
    assert clamped(120.0) == pytest.approx(100.0, rel=1e-5)
    assert clamped(120.0, max=150.0) == pytest.approx(120.0, rel=1e-5)
    assert clamped(0.5) == pytest.approx(0.5, rel=1e-5)
    assert clamped(0.5, min=1.0) == pytest.approx(1.0, rel=1e-5)


def test_a_scale_that_is_not_learned_is_never_clamped():
    assert parameter_bounds(abstract(learn=False)) == {}
    assert clamped(120.0, learn=False) == pytest.approx(120.0, rel=1e-5)


def test_every_bound_belongs_to_a_scale():
    bounds = parameter_bounds(abstract(min=1.0))
    assert bounds == {PATH: (0.0, pytest.approx(math.log(100.0)))}


@pytest.mark.parametrize(("scale", "message"), [(112.33, "112.33.*max of 100"), (0.5, "0.5.*min of 1")])
def test_a_start_outside_the_limits_is_refused_by_value_limit_and_way_out(scale, message):
    bounds = {("model", "logit_scale"): (0.0, math.log(100.0))}
    params = {"model": {"logit_scale": np.float32(math.log(scale))}}
    with pytest.raises(ValueError, match=rf"checkpoint.start=x: model/logit_scale is a scale of {message}"):
        check_bounds(params, bounds, "checkpoint.start=x")


def test_a_start_at_a_limit_is_none_outside_it():
    bounds = {("model", "logit_scale"): (0.0, math.log(100.0))}
    for scale in (1.0, 100.0):
        check_bounds({"model": {"logit_scale": jax.numpy.log(jnp.float32(scale))}}, bounds, "")
