"""cuDNN attention, of which no GPU is needed to see that it is asked for in a form that JAX and cuDNN take."""

from __future__ import annotations

import functools
import re
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from ml_collections import ConfigDict

from configs import base, clip
from vlp.models.compute import Compute, resolve_compute
from vlp.models.text import TextTransformer
from vlp.models.vision import VisionTransformer
from vlp.parallel.mesh import make_mesh
from vlp.training.state import split

TINY = {"size": "", "width": 64, "depth": 2, "heads": 1, "mlp_dim": 64}
CUDNN = Compute(dtype=jnp.dtype("bfloat16"), attention="cudnn")


@pytest.fixture
def installed(monkeypatch):
    """JAX believes that cuDNN 9.10 is there; the rest of its checks are its own."""
    module = pytest.importorskip("jax._src.cudnn.fused_attention_stablehlo", reason="JAX has moved its cuDNN")
    monkeypatch.setattr(module, "check_cudnn_version", lambda: 91000)


def vision(compute, **changes):
    config = base.get_config().unlock().model.image
    config.update(TINY, **changes)
    return VisionTransformer(config, compute=compute, rngs=nnx.Rngs(0))


def text(compute, length, **changes):
    config = ConfigDict({**TINY, **changes})
    return TextTransformer(config, vocabulary_size=40, length=length, compute=compute, rngs=nnx.Rngs(0))


def pixels(resolution):
    return jnp.zeros((2, resolution, resolution, 3), jnp.bfloat16)


def ids(length):
    return jnp.ones((2, length), jnp.int32), jnp.arange(length) < jnp.array([[length], [3]])


def lowered(tower, *inputs):
    """The program of a tower's gradients, for CUDA."""
    graphdef, params, rest = split(tower)

    def loss(params):
        return nnx.merge(graphdef, params, rest, copy=True)(*inputs).pooled.astype(jnp.float32).sum()

    return jax.jit(jax.grad(loss)).trace(params).lower(lowering_platforms=("cuda",)).as_text()


def calls(program):
    return Counter(
        (name, mask) for name, mask in re.findall(r"@__cudnn\$(\w+)\(.*?mask_type[^A-Z]*([A-Z_]+)", program)
    )


# Tokens of ViT-B/32, B/16 and L/14 at 224 px with their class tokens: 50, 197, 257.
@pytest.mark.parametrize(("patch_size", "mask"), [(32, "NO_MASK"), (16, "PADDING"), (14, "PADDING")])
def test_image_towers_attend_in_cudnn_forwards_and_backwards(installed, patch_size, mask):
    program = lowered(vision(CUDNN, patch_size=patch_size, resolution=224, pool="class"), pixels(224))
    assert set(calls(program)) == {("fmhaSoftmax", mask), ("fmhaSoftmaxBackward", mask)}
    tokens = (224 // patch_size) ** 2 + 1
    # No score matrix is ever written to memory.
    assert not re.search(rf"tensor<2x\d+x{tokens}x{tokens}x|tensor<2x\d+x{tokens + 1}x{tokens + 1}x", program)


@pytest.mark.parametrize(
    ("settings", "mask"),
    [({"causal": True, "pool": "end"}, "CAUSAL"), ({"causal": False, "pool": "mean"}, "PADDING")],
)
def test_text_towers_attend_in_cudnn_forwards_and_backwards(installed, settings, mask):
    program = lowered(text(CUDNN, 77, **settings), *ids(77))
    assert set(calls(program)) == {("fmhaSoftmax", mask), ("fmhaSoftmaxBackward", mask)}


def test_examples_that_the_devices_do_not_divide_attend_in_xla(installed):
    mesh = make_mesh({"data": 2, "fsdp": 4, "model": 1}, jax.devices()[:8])
    with jax.set_mesh(mesh):
        program = lowered(vision(CUDNN, patch_size=32, resolution=64, pool="class"), pixels(64))
    assert not calls(program)


@pytest.mark.parametrize(
    "tower",
    [
        lambda compute: (vision(compute, patch_size=8, resolution=24, pool="mean"), (pixels(24) + 0.3,)),
        lambda compute: (text(compute, 7, causal=True, pool="end"), ids(7)),
        lambda compute: (text(compute, 7, causal=False, pool="mean"), ids(7)),
    ],
    ids=["image", "causal text", "text"],
)
def test_the_token_that_makes_an_odd_number_even_is_seen_by_none(monkeypatch, tower):
    def outputs_and_gradients(compute):
        module, inputs = tower(compute)
        graphdef, params, rest = split(module)
        weights = np.random.default_rng(0).normal(size=module.width)

        def loss(params):
            output = nnx.merge(graphdef, params, rest, copy=True)(*inputs)
            return (output.pooled * weights).sum(), output

        return jax.value_and_grad(loss, has_aux=True)(params)

    expected = outputs_and_gradients(Compute())
    shapes = []

    def reference(query, *others, implementation, **options):
        shapes.append((implementation, query.shape[1]))
        return real(query, *others, implementation="xla", **options)

    real = jax.nn.dot_product_attention
    monkeypatch.setattr(jax.nn, "dot_product_attention", functools.wraps(real)(reference))
    found = outputs_and_gradients(Compute(attention="cudnn"))
    assert {name for name, _ in shapes} == {"cudnn"} and not any(tokens % 2 for _, tokens in shapes)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=2e-5), found, expected)


def test_heads_that_cudnn_cannot_do_are_left_to_xla_or_refused_by_name():
    config = clip.get_config("model=vit_b16").unlock().model
    assert resolve_compute(config, "gpu").attention == "cudnn"
    config.text.heads = 128  # of 4 numbers
    assert resolve_compute(config, "gpu").attention == "xla"
    config.attention = "cudnn"
    with pytest.raises(ValueError, match=r"model\.text have 4: change heads or width"):
        resolve_compute(config, "gpu")
