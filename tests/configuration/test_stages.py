"""Stages: what each has, whose checkpoint is whose, and what is refused."""

from __future__ import annotations

import pytest
from ml_collections import FrozenConfigDict

from configs import base
from vlp import configuration
from vlp.configuration import ConfigError, stage_config, stage_ends, stages


def config_of(**settings):
    config = base.get_config()
    config.steps, config.optimizer.schedule.warmup_steps = 100, 0
    config.model.image.resolution, config.tokenizer.length = 224, 32
    config.stages.update(settings)
    return config


def sizes(config):
    return config.model.image.resolution, config.tokenizer.length, config.model.image.patch_dropout


def test_a_config_without_stages_is_its_only_one():
    config = FrozenConfigDict(config_of())
    (plan,) = stages(config)
    assert plan.config is config and (plan.start, plan.until) == (0, 100)
    assert stage_config(config, 7) is config


def test_each_stage_has_its_own_and_the_last_is_the_config_itself():
    config = FrozenConfigDict(
        config_of(until=(60, 90), resolution=(112, 160), text_length=(8, 32), patch_dropout=(0.5, 0))
    )
    plans = stages(config)
    assert [(plan.number, plan.start, plan.until) for plan in plans] == [
        (1, 0, 60),
        (2, 60, 90),
        (3, 90, 100),
    ]
    assert [sizes(plan.config) for plan in plans] == [(112, 8, 0.5), (160, 32, 0.0), (224, 32, 0.0)]
    assert plans[-1].config is config and plans[0].config.stages == config.stages
    # The state after an update is of the stage that made it.
    found = [sizes(stage_config(config, step))[0] for step in (0, 1, 60, 61, 90, 91, 100)]
    assert found == [112, 112, 112, 160, 160, 224, 224]


@pytest.mark.parametrize(
    ("steps", "spans"),
    [
        (460, [(1, 0, 230), (2, 230, 322), (3, 322, 460)]),
        (3, [(1, 0, 1), (2, 1, 2), (3, 2, 3)]),
        (2, [(1, 0, 1), (3, 1, 2)]),
        (1, [(3, 0, 1)]),
    ],
)
def test_shares_of_a_run_go_with_its_length_and_what_comes_to_no_update_is_no_stage(steps, spans):
    config = config_of(until=(0.5, 0.7), resolution=(112, 160))
    config.steps = steps
    configuration.validate(configuration.resolve(config), needs=())
    assert [(plan.number, plan.start, plan.until) for plan in stages(config)] == spans
    assert stages(config)[-1].config is config


def test_a_share_is_of_as_many_updates_as_it_is_written():
    assert 0.29 * 100 < 29
    assert stage_ends((0.29, 0.335, 70), 100) == (29, 33, 70)


def test_flags_set_stages():
    options = {"config": ("configs/base.py", "")}
    flags = [
        "--config.stages.until=10,0.2",
        "--config.stages.patch_dropout=0.5,0",
        "--config.stages.resolution=(112, 112)",
    ]
    config = configuration.parse(flags, options).config
    assert config.stages.until == (10, 0.2) and config.stages.patch_dropout == (0.5, 0)
    assert [sizes(plan.config)[::2] for plan in stages(config)] == [(112, 0.5), (112, 0), (224, 0)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"until": (90, 60), "resolution": (112, 112)}, "stages.until=.90, 60. must be whole numbers .* that grow"),
        ({"until": (0.9, 60), "resolution": (112, 112)}, "that grow"),
        ({"until": (1.5,), "resolution": (112,)}, "shares of the run between 0 and 1"),
        ({"until": (100,), "resolution": (112,)}, "below steps=100"),
        ({"until": (0,), "resolution": (112,)}, "from 1"),
        ({"until": (60, 60), "resolution": (112, 112)}, "that grow"),
        ({"until": ("ten",), "resolution": (112,)}, "whole numbers"),
        ({"until": (60,)}, "nothing differs before the last stage; set stages.resolution or"),
        ({"resolution": (112,)}, r"stages.resolution=\(112,\) must have 0 value"),
        ({"until": (60, 90), "text_length": (8,)}, "must have 2 value.s., one for each .*tokenizer.length"),
        ({"until": (60,), "resolution": (100,)}, "in stage 1 of 2, .*=100 is not a multiple of .*: use 96 or 112"),
        ({"until": (60, 90), "resolution": (112, 100)}, "in stage 2 of 3, .*=100 is not a multiple of"),
        ({"until": (60,), "resolution": (448,)}, "the last stage is the largest, with model.image.resolution=224"),
        ({"until": (60,), "text_length": (33,)}, "the largest, with tokenizer.length=32; use at most that"),
        ({"until": (60,), "text_length": (2,)}, "in stage 1 of 2, tokenizer.length=2 must be in"),
        ({"until": (60,), "text_length": (8.5,)}, "must be whole numbers"),
        ({"until": (60,), "patch_dropout": (1.0,)}, "in stage 1 of 2, model.image.patch_dropout=1.0 must be in"),
        ({"until": (60,), "resolution": (16,), "patch_dropout": (0.6,)}, "keeps none of 1 patches"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_by_name(settings, message):
    with pytest.raises(ConfigError, match=message):
        configuration.validate(configuration.resolve(config_of(**settings)), needs=())


def test_what_an_objective_needs_it_needs_in_every_stage():
    config = config_of(until=(60,), patch_dropout=(0.75,))
    config.objectives.transport.weight = 1.0
    config.objectives.pixel_texts.weight = 1.0
    with pytest.raises(ConfigError, match=r"in stage 1 of 2, .*pixel_texts looks at all patches"):
        configuration.validate(configuration.resolve(config), needs=())


def test_a_tower_without_patches_drops_none():
    config = config_of(until=(60,), patch_dropout=(0.5,))
    config.model.image.update(kind="resnet", size="R50")
    with pytest.raises(ConfigError, match=r"in stage 1 of 2, .*\.patch_dropout=0.5 is for kind 'vit'"):
        configuration.validate(configuration.resolve(config), needs=())


def test_a_stage_may_be_as_large_as_the_last_and_end_one_update_before_it():
    config = config_of(until=(1, 99), resolution=(224, 224), text_length=(32, 32), patch_dropout=(0.9, 0))
    config.model.image.patch_dropout = 0.5
    configuration.validate(configuration.resolve(config), needs=())
