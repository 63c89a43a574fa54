"""Teachers that run and teachers that are stored; what a running one costs; and what is refused."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import base
from configs.settings.objectives import distillation as settings
from input_pipeline.errors import UserError
from vlp.given import FROZEN, Context, FrozenModel, FrozenSizes
from vlp.models.compute import Compute
from vlp.models.dual_encoder import DualEncoder
from vlp.pretrainer import Pretrainer
from vlp.training.state import split

STORED = {
    "stored_images": ("taught_images",),
    "stored_texts": ("taught_texts",),
    "stored_widths": (12,),
    "scales": (14.285714,),
}


@pytest.fixture
def teacher(config):
    """A frozen model in bfloat16 that reads the run's own pixels and tokens, its arrays, and the model in float32."""
    own = base.get_config().model
    own.embed_dim = 12
    for name in ("image", "text"):
        own[name].update(
            {key: config.model[name][key] for key in ("size", "width", "depth", "heads", "mlp_dim")}
        )
    own.image.update(patch_size=4, resolution=16)

    def build(compute=None):
        made = compute or Compute()
        return DualEncoder(own, vocabulary_size=50, length=6, compute=made, rngs=nnx.Rngs(3))

    low = nnx.eval_shape(lambda: build(Compute(dtype=jnp.bfloat16)))
    whole = build()
    arrays = jax.tree.map(
        lambda x: x.astype(jnp.bfloat16) if x.ndim else x, nnx.to_pure_dict(nnx.state(whole))
    )
    model = FrozenModel(
        name="teacher",
        graphdef=nnx.graphdef(low),
        abstract=arrays,
        splits={},
        sizes=FrozenSizes(12, 16, 16),
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        shared=frozenset({"image", "text", "text_mask"}),
        config=None,
    )
    return model, arrays, whole


def step(config, batch, frozen, **own):
    """The gradient of a run with the objective alone, compiled, and its arguments."""
    config.objectives.contrastive.weight = 0.0
    config.objectives.distillation.update(weight=1.0, **own)
    sizes = {name: list(one.sizes) for name, one in frozen.items()}
    pretrainer = Pretrainer(
        config,
        vocabulary_size=50,
        compute=Compute(),
        context=Context.from_dict({"frozen": sizes}),
        frozen=frozen,
    )
    graphdef, params, rest = split(pretrainer)

    def loss(params, batch):
        return nnx.merge(graphdef, params, rest, copy=True)(batch, jax.random.key(0), jnp.int32(0))[0]

    return jax.jit(jax.value_and_grad(loss)).lower(params, batch).compile(), (params, batch)


def flops(compiled):
    """Of a compiled program."""
    return compiled.cost_analysis()["flops"]


def test_a_teacher_that_runs_and_rows_stored_in_its_precision_teach_the_same_and_it_costs_its_forward_pass(
    config, batch, teacher
):
    model, arrays, whole = teacher
    pixels = batch["image"].astype(jnp.float32) / 255 * 2 - 1

    def stored(towers):
        """What --job=embed leaves of the batch."""
        texts = batch["text"], batch["text_mask"]
        return {"taught_images": towers.encode_pixels(pixels), "taught_texts": towers.encode_text(*texts)}

    running, arguments = step(config, batch | {FROZEN + "teacher": arrays}, {"teacher": model})
    live = running(*arguments)[0]
    rows = jax.jit(lambda arrays: stored(nnx.merge(model.graphdef, arrays)))(arrays)
    still, (params, _) = step(config, batch | rows, {}, **STORED)
    np.testing.assert_allclose(still(params, batch | rows)[0], live, rtol=1e-3)
    # Rows of another precision are another teacher's, by more than that.
    far = still(params, batch | stored(whole))[0]
    assert 1e-4 < abs(far / live - 1) < 1e-2

    def forward(arrays, batch):
        towers = nnx.merge(model.graphdef, arrays)
        return towers.encode_pixels(pixels), towers.encode_text(batch["text"], batch["text_mask"])

    alone = flops(jax.jit(forward).lower(arrays, batch).compile())
    extra = flops(running) - flops(still)
    assert 0.5 * alone < extra < 1.2 * alone, (extra, alone)


def test_a_teacher_without_the_tower_is_refused_by_one_line(config, batch, teacher):
    model, arrays, _ = teacher
    for tower, sizes in (("text", FrozenSizes(12, 16, 0)), ("image", FrozenSizes(12, 0, 16))):
        blind = dataclasses.replace(model, sizes=sizes)
        with pytest.raises(UserError, match=rf"frozen.teacher is to see {tower}s, .* has no {tower} tower"):
            step(config, batch | {FROZEN + "teacher": arrays}, {"teacher": blind})


def test_stored_rows_of_other_teachers_are_refused_by_one_line(config, batch):
    rows = jnp.ones((8, 20))
    with pytest.raises(
        UserError, match=r"data\.tables\.taught_images: rows of \(20,\).*table is of other teachers"
    ):
        step(config, batch | {"taught_images": rows, "taught_texts": rows}, {}, **STORED)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"stored_images": ("images",)}, "belong together"),
        ({"teachers": ()}, "leaves nobody to learn from"),
        ({**STORED, "scales": ()}, "a number for each of stored_widths"),
        ({"teachers": ("a", "b"), "feature": 1.0}, "is of one teacher"),
        ({"affinity": 0.0}, "every term has weight 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(config, own, said):
    entry = config.objectives.distillation
    entry.update(weight=1.0, **own)
    with pytest.raises(ValueError, match=said):
        settings.check(entry, config, "objectives.distillation")
