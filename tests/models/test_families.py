"""Families of towers: what each says of itself agrees with what is built, and a kind may come from outside."""

from __future__ import annotations

import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from configs import base
from configs.common import shrink
from vlp import configuration
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.models.families import DEFAULT_KIND, FAMILIES, OFF, TOWERS, Family, family
from vlp.models.families.transformers import VisionTransformerFamily
from vlp.models.vision import TowerOutput

SIZES = {"resnet": "R26", "efficientnet": "B0", "convnext": "T", "fastvit": "MCi0"}
SIZES |= dict.fromkeys(("vit", "naflex", "transformer", "bag"), "S")
KINDS = [(tower, kind) for tower in TOWERS for kind in FAMILIES[tower]]


class ColourTower(nnx.Module):
    """The mean colour, spread out."""

    def __init__(self, config, *, compute, rngs):
        self.width = config.width
        self.spread = nnx.Linear(3, config.width, rngs=rngs)

    def __call__(self, pixels, key=None):
        tokens = self.spread(pixels.reshape(len(pixels), -1, 3))
        return TowerOutput(tokens.mean(axis=1), tokens)


class Colours(Family):
    """A kind from outside."""

    tower = f"{__name__}:ColourTower"

    def forward_flops(self, settings, inputs, embed_dim):
        return 2 * settings.width * (3 * inputs**2 + embed_dim)


def config_of(tower="image", kind="vit", **changes):
    config = base.get_config()
    config.model[tower].update(kind=kind, size=SIZES.get(kind, ""))
    shrink(config)
    config.model[tower].update(changes)
    config.objectives.contrastive.weight = 1.0
    return config


def images_of(config, count):
    """A view of images as the tower takes it: pixels, and by name what stands beside them."""
    image = config.model.image
    arrays = family("image", image).arrays(image, image.resolution)
    pixels = jnp.zeros((count, *arrays[""][0]))
    beside = {end[1:]: jnp.ones((count, *shape), dtype) for end, (shape, dtype) in arrays.items() if end}
    return pixels, beside


def dual_encoder(config):
    def build():
        return DualEncoder(
            config.model, vocabulary_size=50, length=8, compute=Compute(unroll=True), rngs=nnx.Rngs(0)
        )

    return nnx.eval_shape(build)


@pytest.mark.parametrize(("tower", "kind"), KINDS)
def test_a_tiny_tower_of_every_kind_is_valid_and_builds(tower, kind):
    config = config_of(tower, kind)
    configuration.validate(configuration.resolve(config), needs=())
    graphdef, shapes = nnx.split(dual_encoder(config))

    def encode(state):
        model = nnx.merge(graphdef, state)
        pixels, beside = images_of(config, 2)
        images = model.encode_pixels(pixels, **beside)
        return images, model.encode_text(jnp.ones((2, 8), jnp.int32), jnp.ones((2, 8), bool))

    assert [one.shape for one in jax.eval_shape(encode, shapes)] == [(2, 32)] * 2


@pytest.mark.parametrize(
    ("tower", "kind", "changes"),
    [
        ("text", "bag", {}),
        ("image", "convnext", {}),
        ("image", "vit", {}),
        ("image", "vit", {"gated": True, "sub_norm": "within"}),
        ("image", "vit", {"pool": "attention", "pool_heads": 4, "pool_mlp_dim": 512}),
        ("image", "vit", {"stem": "nested", "stem_width": 16}),
    ],
)
def test_a_tower_costs_what_xla_counts(tower, kind, changes):
    config = config_of(tower, kind, **changes)
    graphdef, shapes = nnx.split(dual_encoder(config))
    side = config.model.image.resolution

    def encode(state, *inputs):
        model = nnx.merge(graphdef, state)
        return model.encode_pixels(*inputs) if tower == "image" else model.encode_text(*inputs)

    texts = (jax.ShapeDtypeStruct((16, 32), jnp.int32), jax.ShapeDtypeStruct((16, 32), jnp.bool_))
    images = (jax.ShapeDtypeStruct((16, side, side, 3), jnp.float32),)
    lowered = jax.jit(encode).lower(shapes, *(images if tower == "image" else texts))
    settings = config.model[tower]
    inputs = side if tower == "image" else 32
    counted = family(tower, settings).forward_flops(settings, inputs, 32)
    # XLA also counts activations, norms, and the sums over a bag.
    assert counted <= lowered.cost_analysis()["flops"] / 16 <= 1.35 * counted


def test_the_defaults_switch_off_what_not_every_kind_has():
    model = base.get_config().model
    assert all(model[tower].kind == DEFAULT_KIND[tower] for tower in TOWERS)
    for tower in TOWERS:
        assert {name: model[tower][name] for name in OFF[tower]} == OFF[tower]
        for kind in FAMILIES[tower].values():
            assert set(kind.optional) <= set(model[tower])


def test_a_kind_from_outside_is_its_address():
    config = config_of(kind=f"{__name__}:Colours", width=16, resolution=8)
    configuration.validate(configuration.resolve(config), needs=())
    model = dual_encoder(config)
    assert type(model.image).__name__ == "ColourTower"
    assert model.image_projection.kernel.shape == (16, 32)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("vitt", r"model.image.kind='vitt' is not one of vit, resnet, .*did you mean 'vit'"),
        ("nowhere.at_all:Tower", r"'nowhere.at_all:Tower' cannot be imported: No module named 'nowhere'"),
        (f"{__name__}:ColourTower", r"cannot be imported: it is no subclass of vlp.models.families.Family"),
    ],
)
def test_a_kind_that_is_none_is_refused(kind, message):
    with pytest.raises(configuration.ConfigError, match=message):
        configuration.validate(configuration.resolve(config_of(kind=kind)), needs=())


def test_a_setting_without_a_meaning_is_refused_and_says_which_kinds_have_it():
    config = config_of("text", "transformer", ngrams=2)
    with pytest.raises(configuration.ConfigError, match=r"text.ngrams=2 is for kind 'bag', .*leave it at 1"):
        configuration.validate(configuration.resolve(config), needs=())


ASKED = [
    (
        "masked_distillation",
        "image",
        "resnet",
        r"an image tower with a grid.*kind='resnet' gives none: use 'vit'",
    ),
    ("corruption", "image", "naflex", r"model.image.kind='naflex' gives none: use 'vit'"),
    ("colours", "image", "convnext", r"model.image.kind='convnext' gives none: use 'vit'"),
    ("attribute_words", "text", "bag", r"a text tower that .*kind='bag' gives none: use 'transformer'"),
    ("sentence_prompts", "text", "bag", r"model.text.kind='bag' gives none: use 'transformer'"),
    ("pseudo_words", "text", "bag", r"model.text.kind='bag' gives none: use 'transformer'"),
]


def asking(objective, tower, kind, **changes):
    config = config_of(tower, kind, **changes)
    config.objectives[objective].weight = 1.0
    return configuration.resolve(config)


@pytest.mark.parametrize(("objective", "tower", "kind", "message"), ASKED)
def test_an_objective_asks_the_family_for_what_it_needs(objective, tower, kind, message):
    with pytest.raises(configuration.ConfigError, match=rf"^objectives.{objective} needs .*{message}"):
        configuration.validate(asking(objective, tower, kind), needs=())


def test_a_context_stands_where_soft_tokens_would():
    with pytest.raises(configuration.ConfigError, match=r"and model.text.context=4 gives none: use 0"):
        configuration.validate(asking("attribute_words", "text", "transformer", context=4), needs=())


class Patches(VisionTransformerFamily):
    """A kind from outside, of which patches can be hidden."""


def test_a_kind_from_outside_may_have_what_is_asked():
    configuration.validate(
        asking("masked_distillation", "image", f"{__name__}:Patches", resolution=64, size="S"), needs=()
    )
    with pytest.raises(configuration.ConfigError, match=r"objectives.masked_distillation needs an image"):
        configuration.validate(asking("masked_distillation", "image", f"{__name__}:Colours"), needs=())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stem_width": 8}, r"model.image.stem_width=8 is for a stem, which is off: leave it at 0"),
        ({"rotary_grid": 4}, r"model.image.rotary_grid=4 is for rotary positions"),
        ({"pool": "class", "pool_prefix": True}, r"model.image.pool_prefix=True is for pool='attention'"),
    ],
)
def test_a_setting_beside_one_that_is_off_is_refused(changes, message):
    with pytest.raises(configuration.ConfigError, match=message):
        configuration.validate(configuration.resolve(config_of(**changes)), needs=())


def test_families_load_no_jax():
    code = "import sys, vlp.models.families; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
