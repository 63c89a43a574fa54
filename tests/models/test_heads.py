"""The projections from towers to the joint space, by what they compute."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vlp.models.compute import Compute
from vlp.models.heads import projection


@pytest.mark.parametrize(("hidden", "units"), [(0, 4), (7, 7)])
def test_two_layers_with_a_gelu_between_have_a_bias_in_the_first_alone(hidden: int, units: int) -> None:
    torch = pytest.importorskip("torch", reason="torch is a peer, not a dependency")
    head = projection("gelu", 6, 4, hidden=hidden, compute=Compute(), rngs=nnx.Rngs(0))
    first, last = head.layers
    assert (
        first.kernel[...].shape == (6, units) and last.kernel[...].shape == (units, 4) and last.bias is None
    )
    first.bias[...] = jnp.linspace(-1, 1, units)
    rows = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    inner = torch.nn.functional.gelu(torch.from_numpy(np.array(rows @ first.kernel[...] + first.bias[...])))
    np.testing.assert_allclose(head(jnp.asarray(rows)), inner.numpy() @ last.kernel[...], atol=1e-5)
