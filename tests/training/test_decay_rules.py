"""The weight decay that every config starts with, on the parameters of real towers and objectives."""

from __future__ import annotations

import re

import jax
import pytest
from flax import nnx

from configs import base
from vlp.models.compute import Compute
from vlp.path_rules import alternatives, match_paths, parse_rules, tree_paths
from vlp.pretrainer import Pretrainer
from vlp.training.optimizer import make_optimizer
from vlp.training.state import split

TINY = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}
PATCHES = {**TINY, "patch_size": 4, "resolution": 16}
# Settings of the image tower, of the text tower.
TOWERS = {
    "mean": (PATCHES, TINY),
    "class": ({**PATCHES, "pool": "class", "class_position": True, "registers": 2, "pre_norm": True}, TINY),
    "attention": ({**PATCHES, "pool": "attention", "project_query": True}, {**TINY, "pool": "attention"}),
    "resnet": ({"kind": "resnet", "size": "R26", "width": 16, "depth": 1, "resolution": 64}, TINY),
    "resnet_attention": (
        {"kind": "resnet", "size": "R26", "width": 16, "depth": 1, "resolution": 64, "pool": "attention", "heads": 2},
        TINY,
    ),
    "efficientnet": ({"kind": "efficientnet", "size": "B0", "resolution": 64}, TINY),
}  # fmt: skip
RULES = base.get_config().optimizer.weight_decay_rules
# What a matrix of weights ends in: layers, tables of tokens, centres of classes, prototypes of DINO's head.
DECAYED = re.compile(r"(kernel|/embedding/embedding|class_centres|prototypes)$")


def parameters(name):
    config = base.get_config()
    config.unlock()
    image, text = TOWERS[name]
    config.model.embed_dim = 8
    config.model.logit_bias.learn = True
    config.model.image.update(image)
    config.model.text.update(text)
    config.tokenizer.length = 6
    for objective in ("contrastive", "discrimination", "prototypes", "grouping", "view_contrast"):
        config.objectives[objective].weight = 1.0
    config.objectives.self_distillation.weight = float(name == "mean")
    config.objectives.discrimination.classes = 8
    return config, split(
        nnx.eval_shape(lambda: Pretrainer(config, vocabulary_size=50, compute=Compute(unroll=True)))
    )[1]


@pytest.fixture(scope="module")
def every_tower():
    return {name: parameters(name) for name in TOWERS}


@pytest.mark.parametrize("name", TOWERS)
def test_weights_are_decayed_and_positions_queries_tokens_norms_and_biases_are_not(every_tower, name):
    _, params = every_tower[name]
    paths = tree_paths(params)
    rates = match_paths(RULES, paths, default=float("nan"), convert=float)
    wrong = {
        path: rate for path, rate in zip(paths, rates, strict=True) if rate != bool(DECAYED.search(path))
    }
    assert not wrong
    # Whatever has one axis is no matrix; positions, tokens and queries have two and are none either.
    ranks = [leaf.ndim for leaf in jax.tree.leaves(params)]
    assert all(rank > 1 for rank, rate in zip(ranks, rates, strict=True) if rate)


def test_each_alternative_of_the_default_rule_is_of_some_tower(every_tower):
    paths = [path for _, params in every_tower.values() for path in tree_paths(params)]
    for rule in parse_rules(RULES):
        for alternative in alternatives(rule.pattern):
            assert any(re.search(alternative, path) for path in paths), alternative


def test_an_alternative_without_a_parameter_is_refused_before_any_step(every_tower):
    config, params = every_tower["mean"]
    config = config.optimizer.copy_and_resolve_references()
    config.weight_decay_rules = "(bias|scale|position)$ = 0; .* = 1"
    with pytest.raises(ValueError, match=r"'\(position\)\$' matches no parameter; .*position/embedding"):
        make_optimizer(config, 1000, params)
    config.weight_decay_rules = "(bias|scale|position)$ ?= 0; .* = 1"
    make_optimizer(config, 1000, params)
