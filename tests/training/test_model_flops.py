"""What a training step costs follows the views that its objectives ask for."""

import types

import jax
import numpy as np
import pytest

from configs import base
from configs.common import shrink
from vlp.configuration import resolve
from vlp.training.build import build_training
from vlp.training.model_flops import forward_flops, other_flops


def test_every_view_that_is_encoded_counts_at_its_resolution():
    config = base.get_config()
    with config.unlocked():
        config.data.image_views = {"local_crops": {"count": 4, "resolution": 112}}
        config.data.text_views = {"captions": {"count": 3}}
    config = resolve(config)
    image, text, crops = (forward_flops(config, [name]) for name in ("image", "text", "local_crops"))
    config.model.image.resolution = 112
    assert crops == 4 * forward_flops(config, ["image"]) < image
    assert forward_flops(config, ("captions", "captions_mask", "index")) == 3 * text
    assert forward_flops(config) == forward_flops(config, ("image", "text"))


def training_of(rules="", **weights):
    config = base.get_config()
    shrink(config)
    config.data.image_views = {
        "strong": {"count": 2},
        "global_crops": {"count": 2},
        "local_crops": {"count": 4, "resolution": 16},
    }
    config.objectives.self_distillation.update(hidden_width=16, bottleneck_width=8, prototypes=32)
    for name, weight in weights.items():
        config.objectives[name].weight = weight
    config.objectives.discrimination.update(classes=1000, rate=0.5, feature_rate=0.25)
    config.objectives.view_contrast.update(hidden_width=16, output_width=8)
    config.objectives.prototypes.update(episode_size=16, clusters=4, dim=8, head_width=16)
    config.optimizer.learning_rate_rules = rules
    mesh = jax.make_mesh((1, 1, 1), ("data", "fsdp", "model"), (jax.sharding.AxisType.Auto,) * 3)
    with jax.set_mesh(mesh):
        config = resolve(config)
        return config, build_training(config, vocabulary_size=50, mesh=mesh)


EMBEDDING, WIDTH = 32, 64  # of the towers that `shrink` makes


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("contrastive", 0),
        ("discrimination", 2 * 1000 * EMBEDDING * 0.5 * 0.25),
        ("view_contrast", 2 * 2 * (WIDTH * 16 + 16 * 16 + 16 * 8)),
        ("prototypes", 2 * 2 * (EMBEDDING * 16 + 16 * 8) + 2 * 2 * 8 * 4),
    ],
)
def test_an_objective_says_what_it_costs_beside_the_towers(name, beside):
    assert training_of(**{name: 1.0})[1].other_flops == pytest.approx(beside)


def test_self_distillation_counts_its_head_for_every_crop_and_its_teacher_a_third():
    config, training = training_of(self_distillation=1.0)
    head = 2 * (WIDTH * 16 + 16 * 16 + 16 * 8 + 8 * 32)
    teacher = forward_flops(config, ["global_crops"])
    assert training.other_flops == pytest.approx((2 + 4) * head + (teacher + 2 * head) / 3)


def test_a_held_tower_costs_a_third():
    config, training = training_of("^model/image = 0", contrastive=1.0)
    assert training.step_shares == {"image": pytest.approx(1 / 3)}
    image, text = (forward_flops(config, [name]) for name in ("image", "text"))
    assert forward_flops(config, shares=training.step_shares) == pytest.approx(image / 3 + text)


def test_constant_texts_are_shared_out_over_a_batch_and_frozen_models_cost_a_third():
    config = base.get_config()
    shrink(config)
    config = resolve(config)
    image, text = (forward_flops(config, [name]) for name in ("image", "text"))
    given = types.SimpleNamespace(
        texts={"tags": {"ids": np.zeros((40, 6))}}, frozen={"guest": types.SimpleNamespace(config=config)}
    )

    def beside(own=0.0, fields=(), constants=(), again=()):
        objective = types.SimpleNamespace(
            flops=lambda: own,
            view_flops=dict,
            pair_flops=float,
            copied=(),
            again=again,
            fields=fields,
            constants=constants,
        )
        return other_flops(
            config,
            types.SimpleNamespace(encoded=(), model=None, selector=None, objectives={"one": objective}),
            given,
        )

    assert beside(7.0, ("image",)) == 7.0
    assert beside(0.0, ("image",), again=("image",)) == image  # through the same tower, with other prompts
    assert beside(0.0, (), ("tags",)) == pytest.approx(40 * text / config.batch_size)
    assert beside(0.0, ("guest/image",), ("guest/tags",)) == pytest.approx(
        image / 3 + 40 * text / config.batch_size / 3
    )


def test_a_row_that_is_a_bag_counts_all_its_records():
    config = base.get_config()
    shrink(config)
    alone = forward_flops(resolve(config))
    config.data.sampler.update(kind="bags", each=3)
    assert forward_flops(config) == 3 * alone
    config.data.sampler.kind = "classes"
    assert forward_flops(config) == alone
