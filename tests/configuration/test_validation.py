"""The checks before any device is touched: each contradiction is named with its value, its limit and a way out."""

from __future__ import annotations

from typing import Any

import pytest
from ml_collections import ConfigDict, FrozenConfigDict

from configs.common import quickstart_source
from vlp import configuration
from vlp.configuration import ConfigError, validate


@pytest.fixture
def config() -> ConfigDict:
    return configuration.resolve(configuration.load_config("configs/quickstart.py"))


def test_a_frozen_config_validates(config: ConfigDict) -> None:
    validate(FrozenConfigDict(config))


def apply(config: ConfigDict, settings: dict[str, Any]) -> None:
    for path, value in settings.items():
        group, _, leaf = path.rpartition(".")
        holder = config
        for part in filter(None, group.split(".")):
            holder = holder[part]
        holder[leaf] = value


# Nothing that only a tower over patches has.
PLAIN = {f"model.image.{name}": 0 for name in ("width", "depth", "heads", "mlp_dim")} | {
    "model.image.patch_size": 16,
    "model.image.patch_dropout": 0.0,
}

EPISODES = {
    "objectives.prototypes.weight": 1.0,
    "objectives.prototypes.episode_size": 12_800,
    "objectives.prototypes.clusters": 12_800,
}

# What lies just within a limit.
ALLOWED: list[dict[str, Any]] = [
    EPISODES,
    {"rollback.factor": 1.01},
    {"rollback.factor": 0.0, "checkpoint.every": 0},
    {"optimizer.schedule.warmup_steps": 860},
    {"optimizer.schedule.name": "constant", "optimizer.schedule.warmup_steps": 400,
     "optimizer.schedule.cooldown_steps": 60},
    {"model.logit_scale.init": 100.0},
    {"model.logit_scale.init": 1.0, "model.logit_scale.min": 1.0},
    {"objectives.contrastive.label_smoothing": 0.1, "objectives.contrastive.chunk": 8},
    {"objectives.contrastive.kernel": "sigmoid", "objectives.contrastive.chunk": 8},
    {"objectives.contrastive.kernel": "squared_error"},
    {"objectives.grouping.weight": 0.0, "objectives.prototypes.weight": 0.0, "objectives.prototypes.clusters": 10**6},
    {"data.image.mean": (0.0, 0.5, 1.0)},
    {"data.image.std": (0.1, 0.5, 1.0)},
    {"data.image.crop_scale": (0.5, 0.5), "data.image.crop_ratio": (1.0, 3.0)},
    {"data.image.color_jitter": (0.0, 2.0, 0.4, 0.5)},
    {"data.image.affine": (0.0, 1.0, 1.0, 1.0)},
    {"data.image.blur_sigma": (1.0, 1.0)},
    {"data.image.rand_augment": (0, 0)},
    {"data.image.rand_augment": (2, 30)},
    {"data.sampler.kind": "classes", "data.sampler.each": 4},
    {"data.sampler.kind": "bags", "data.sampler.each": 5},
    {"data.single_source_batches": True, "data.sampler.each": 5},
    {"evaluators.retrieval.k": (1,)},
    {"distributed.coordinator": "host:1", "distributed.processes": 2, "distributed.process": 1},
    {"checkpoint.start_new": "^text", "checkpoint.start_image": "runs/a"},
    {"checkpoint.start_new": "^text", "checkpoint.start_text": "runs/a"},
    {"checkpoint.start_new": "^text", "checkpoint.start": "runs/a"},
    {"cluster.nearest": 8, "cluster.k": 8},
    {"curation.where.within": (0.5, 0.5)},
    {"curation.where.within": ()},
    {"curation.deduplicate.distance": 63},
    {"curation.deduplicate.distance": 255, "curation.deduplicate.hash": "pdq"},
    {"objectives.classification.rare": "frequency", "objectives.classification.kernel": "softmax"},
    {"objectives.semantic_proxies.each": 5},  # of what has no weight
    {"optimizer.name": "sgd", "optimizer.nesterov": True},
    {"tokenizer.special_tokens": "end=</s>"},
    {"mesh.data": 1, "mesh.model": -1},
    *[{"data.sources.quickstart.format": kind, "data.sources.quickstart.path": path}
      for kind, path in (("", "nowhere/train"), ("", "nowhere/TEST"), ("", "s3://bucket/x"), ("", "x{0..3}.tar"),
                         ("tfds", "nowhere"), ("known", "nowhere"), ("tests.configuration:Anything", "nowhere"))],
    {"data.text.label_share": 0.5, "data.text.templates": ("a {}",)},
    {"data.text.label_share": 0.5, "data.sources.quickstart.templates": ("a {}",)},
    {"data.text_views": ConfigDict({"named": {"count": 1, "label_share": 0.5, "templates": ("a {}",)}})},
    {"data.sources.quickstart.prefix_token": "web", "tokenizer.prefix_tokens": ("web",)},
]  # fmt: skip

# (settings, what the error says)
CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    (
        {"model.image.patch_dropout": 0.0, "objectives.relations.weight": 1.0, "data.regions.most": 1},
        "relations of two regions, and data.regions.most=1 of an image: set it to 2 or more",
    ),
    ({"model.image.resolution": 60}, r"resolution=60 is not a multiple of patch_size=8: use 56 or 64"),
    (
        {"data.image_views": {"local": {"count": 2, "resolution": 60}}},
        r"image_views.local.resolution=60 is not a multiple of model.image.patch_size=8",
    ),
    (
        {"objectives.grouping.logit_scale.max": 1.0},
        r"objectives.grouping.logit_scale.init=14.* above its max=1",
    ),
    ({"rollback.factor": 0.5}, r"rollback.factor=0.5 makes a spike of any loss"),
    ({"rollback.factor": 1.0}, r"rollback.factor=1.0 makes a spike of any loss"),
    (
        {"model.logit_scale.min": 20.0},
        r"model.logit_scale.init=14.* is below its min=20: lower min",
    ),
    (
        {"objectives.contrastive.kernel": "sigmoid", "objectives.contrastive.label_smoothing": 0.1},
        r"contrastive.label_smoothing=0.1 is for kernel='softmax'",
    ),
    (
        {"objectives.discrimination.label_smoothing": 0.1},
        r"discrimination.label_smoothing=0.1 is for kernel='softmax', .*'separated' set it to 0",
    ),
    (
        {"objectives.contrastive.kernel": "joint", "objectives.contrastive.chunk": 8},
        r"contrastive.chunk=8 is for kernels softmax, sigmoid, not for 'joint'",
    ),
    (
        {"objectives.contrastive.kernel": "squared_error", "objectives.contrastive.targets": "text"},
        r"contrastive.targets='text' asks .*kernel='squared_error' .*use targets='pair'",
    ),
    (
        {**EPISODES, "objectives.prototypes.episode_size": 12_900},
        r"episode_size=12900 is not a multiple of batch_size=128: use 12800 or 12928",
    ),
    (
        {**EPISODES, "objectives.prototypes.episode_size": 100},
        r"episode_size=100 is not a multiple of batch_size=128: use 128$",
    ),
    (
        {**EPISODES, "objectives.prototypes.clusters": 12_801},
        r"prototypes.clusters=12801 is more than episode_size=12800 has examples",
    ),
    (
        {"objectives.contrastive.weight": float("inf")},
        r"contrastive.weight=inf must be a finite number",
    ),
    ({"batch_size": 10**400}, r"batch_size=10* is beyond what 64 bits hold"),
    (
        {"objectives.contrastive.weight": float("nan")},
        r"contrastive.weight=nan must be a finite number",
    ),
    (
        {"data.sources.quickstart.weight": float("inf")},
        r"data.sources.quickstart.weight=inf must be a finite number",
    ),
    ({"optimizer.schedule.warmup_steps": 861}, r"warmup_steps=861 .* do not fit into steps=860"),
    ({"rollback.factor": 2.0, "checkpoint.every": 0}, r"rollback.factor=2.0 needs checkpoints"),
    (
        {
            "rollback.factor": 2.0,
            "objectives.prototypes.weight": 1.0,
            "objectives.prototypes.episode_size": 12_800,
            "objectives.prototypes.clusters": 100,
        },
        r"rollback.factor=2.0 cannot be used with",
    ),
    ({"model.image.heads": 3}, r"model.image: 3 heads do not divide width 128"),
    ({"model.text.width": 0}, r"model.text: .*width"),
    ({"model.image.size": "XL"}, r"model.image: tower size 'XL' is not one of"),
    ({"model.image.patch_dropout": 0.999}, r"patch_dropout=0.999 keeps none of 64 patches"),
    ({"model.image.patch_dropout": 1.0}, r"patch_dropout=1.0 must be in \[0, 1\)"),
    (
        {"model.image.position": "sincos2d", "model.image.width": 126, "model.image.heads": 2},
        r"4 divides, not 126",
    ),
    ({"model.image.kind": "resnet", "model.image.size": "S"}, r"model.image: size 'S' is not one of R26"),
    (
        {"model.image.kind": "resnet", "model.image.size": "R26", **PLAIN, "model.image.registers": 4},
        r"model.image.registers=4 is for kind 'vit', .*kind='resnet': leave it at 0",
    ),
    (
        {"model.image.kind": "efficientnet", "model.image.size": "B0", **PLAIN, "model.image.resolution": 16},
        r"resolution=16 is too small for kind 'efficientnet'",
    ),
    ({"model.text.pool": "first", "model.text.causal": True}, r"pool='first' .*set model.text.causal=False"),
    ({"model.image.pool": "max"}, r"model.image.pool='max' is not one of"),
    ({"model.attention": "flash"}, r"model.attention='flash'"),
    ({"model.remat": "some"}, r"model.remat='some'"),
    ({"model.logit_scale.init": 200.0}, r"logit_scale.init=200 is above its max=100"),
    ({"objectives.contrastive.kernel": "sigmod"}, r"contrastive.kernel='sigmod'"),
    ({"objectives.contrastive.weight": -1.0}, r"contrastive.weight=-1.0 must be at least 0"),
    (
        {"objectives.contrastive.weight": 0.0},
        r"every objective has weight 0: .*objectives.contrastive.weight=1",
    ),
    ({"optimizer.schedule.name": "linear"}, r"schedule.name='linear'"),
    ({"optimizer.schedule.warmup_steps": 2000}, r"warmup_steps=2000 .* do not fit into steps=860"),
    ({"optimizer.schedule.cooldown_steps": 5}, r"cooldown_steps=5 has no meaning for 'cosine'"),
    (
        {"optimizer.schedule.name": "reciprocal_sqrt", "optimizer.schedule.warmup_steps": 0},
        r"'reciprocal_sqrt' needs a warm-up",
    ),
    ({"optimizer.b2": 1.0}, r"optimizer.b2=1.0 must be in \[0, 1\)"),
    ({"optimizer.learning_rate": 0.0}, r"learning_rate=0.0 must be above 0"),
    ({"optimizer.clip_norm": float("inf")}, r"clip_norm=inf must be a finite number"),
    ({"steps": 0}, r"steps=0 must be at least 1"),
    ({"batch_size": 0}, r"batch_size=0 must be at least 1"),
    ({"tokenizer.length": 2}, r"tokenizer.length=2 must be in \[3, "),
    ({"tokenizer.path": "nowhere.model"}, r"tokenizer.path: .*'nowhere.model'.*--job=tokenizer"),
    (
        {"tokenizer.path": "nowhere", "tokenizer.kind": "clip"},
        r"tokenizer.path: .*'nowhere'.*data/tokenizers/clip",
    ),
    (
        {"tokenizer.kind": "clip", "tokenizer.special_tokens": "end=</s>"},
        r"special_tokens='end=</s>' .* 'clip' are",
    ),
    (
        {"data.sources": ConfigDict({"one": {**quickstart_source("train"), "prefix_token": "label"}})},
        r"sources.one.prefix_token='label' is not in tokenizer.prefix_tokens, which has none",
    ),
    ({"data.image.std": (0.0, 1.0, 1.0)}, r"data.image.std=.*three positive numbers"),
    ({"data.image.mean": (0.0,)}, r"data.image.mean=\(0.0,\) must be three numbers"),
    ({"data.image.crop_scale": (0.5, 1.5)}, r"crop_scale=.*<= 1"),
    ({"data.image.crop_ratio": (2.0, 1.0)}, r"crop_ratio="),
    ({"data.image.color_jitter": (0.4, 0.4, 0.4, 0.6)}, r"color_jitter=.*the hue's at most 0.5"),
    ({"data.image.rand_augment": (2, 31)}, r"rand_augment=\(2, 31\).*0 to 30"),
    ({"data.image.solarize": 1.5}, r"solarize=1.5 must be in \[0, 1\]"),
    ({"data.image.mean": (0.5, 0.5, 127.5)}, r"data.image.mean=.* in \[0, 1\]; divide those of bytes by 255"),
    ({"data.image.mean": (-0.1, 0.5, 0.5)}, r"data.image.mean=.* in \[0, 1\]$"),
    ({"data.image.mean": ()}, r"data.image.mean=\(\) must be three numbers, .* in \[0, 1\]$"),
    ({"data.image.crop_scale": (0.0, 1.0)}, r"crop_scale=.* with 0 < low <= high <= 1$"),
    ({"data.image_views": {"a": {"count": 0}}}, r"^data\.image_views\.a\.count=0 must be at least 1"),
    ({"data.image_views": {"a": {"resize": "zap"}}}, r"^data\.image_views\.a\.resize='zap' is not one of"),
    ({"data.image_views": {"a": {"crop_scale": (0.9, 0.1)}}}, r"^data\.image_views\.a\.crop_scale=.* <= 1$"),
    ({"data.image_views": {"a": {"affine": (1.0,)}}}, r"^data\.image_views\.a\.affine=.* must be"),
    ({"data.text_views": {"a": {"count": -1}}}, r"^data\.text_views\.a\.count=-1 must be at least 1"),
    ({"data.text_views": {"a": {"label_share": 2.0}}}, r"^data\.text_views\.a\.label_share=2\.0 must be in"),
    ({"data.image.crop_scale": (0.5,)}, r"crop_scale=.* must be two numbers"),
    ({"data.image.crop_ratio": (0.0, 1.0)}, r"crop_ratio=.* with 0 < low <= high$"),
    ({"data.image.color_jitter": (-0.1, 0.4, 0.4, 0.4)}, r"color_jitter=.* at least 0"),
    ({"data.image.color_jitter": (0.4, 0.4, 0.4)}, r"color_jitter=.*must be four strengths"),
    *[
        ({"data.image.affine": moves}, r"data.image.affine=.* must be")
        for moves in (
            (-1.0, 0.0, 1.0, 1.0),
            (0.0, -0.1, 1.0, 1.0),
            (0.0, 1.1, 1.0, 1.0),
            (0.0, 0.0, 0.0, 1.0),
            (0.0, 0.0, 2.0, 1.0),
            (0.0, 0.0, 1.0),
        )
    ],
    *[
        ({"data.image.blur_sigma": sigma}, r"blur_sigma=.* with 0 < low <= high")
        for sigma in ((0.0, 1.0), (2.0, 1.0), (1.0,))
    ],
    *[
        ({"data.image.rand_augment": pair}, r"rand_augment=.* with at least 0 operations")
        for pair in ((-1, 9), (2, -1), (2,))
    ],
    (
        {"data.sampler.kind": "classes", "data.sampler.each": 5},
        r"data.sampler.each=5 does not divide batch_size=128",
    ),
    ({"objectives.sentence_prompts.weight": 1.0}, r"set data.sampler.kind='bags' and data.sampler.each=2"),
    (
        {
            "objectives.sentence_prompts.weight": 1.0,
            "data.sampler.kind": "bags",
            "data.sampler.each": 2,
            "tokenizer.length": 20,
        },
        r"prompts=32 leaves no room for a word: tokenizer.length=20 must be at least 35",
    ),
    (
        {"objectives.pseudo_words.weight": 1.0, "model.image.resolution": 64},
        r"tower.resolution=224 must be that of the images, model.image.resolution=64",
    ),
    (
        {"data.sampler.kind": "bags", "data.single_source_batches": True},
        r"sampler.kind='bags' puts labels together, not sources",
    ),
    (
        {"distributed.coordinator": "host:1", "distributed.processes": 2, "distributed.process": 2},
        r"distributed.process=2 is none of distributed.processes=2",
    ),
    ({"checkpoint.start_new": "te(xt"}, r"start_new='te\(xt' is no regular expression"),
    (
        {"checkpoint.start_new": "^text"},
        r"start_new='\^text' has no meaning in a run that starts from nothing",
    ),
    ({"cluster.nearest": 9, "cluster.k": 8}, r"cluster.nearest=9 is more than cluster.k=8"),
    ({"curate.steps": ("nothing",)}, r"curate.steps: 'nothing' is not in curation, which has"),
    ({"curate.steps": ("match", "match")}, r"curate.steps=.* names one twice"),
    ({"curate.steps": ("balance", "match")}, r"curation.balance balances what was matched"),
    ({"curation.where.within": (1.0, 0.5)}, r"where.within=\(1.0, 0.5\) must be two numbers"),
    ({"curation.where.within": (1.0,)}, r"where.within=\(1.0,\) must be two numbers"),
    *[
        ({f"curation.{step}.template": given}, rf"curation.{step}.template=.* has no {lacks}")
        for step, given, lacks in (
            ("fuse_captions", "{caption}", "{added}"),
            ("fuse_captions", "{added}", "{caption}"),
            ("verify_nouns", "a photo of {noun}", "{}"),
            ("add_regions", "{size} {place}", "{text}"),
            ("entities", "{description}", "{name}"),
        )
    ],
    ({"curation.deduplicate.distance": 64}, r"deduplicate.distance=64 must be below the 64 bits of"),
    (
        {"objectives.classification.rare": "frequency", "objectives.classification.kernel": "sigmoid"},
        r"classification.rare='frequency' weighs the targets of a softmax",
    ),
    *[
        (
            {f"objectives.{name}.label_smoothing": 0.1, f"objectives.{name}.kernel": kernel},
            rf"{name}.label_smoothing=0.1 is for kernel='softmax'",
        )
        for name, kernel in (("classification", "sigmoid"), ("named_classes", "reverse_softmax"))
    ],
    *[
        (
            {"objectives.semantic_proxies.weight": 1.0, "data.sampler.kind": kind, "data.sampler.each": each},
            r"semantic_proxies.each=4 needs so many images of a class in a row",
        )
        for kind, each in (("classes", 8), ("bags", 4))
    ],
    ({"optimizer.nesterov": True}, r"nesterov=True looks ahead by the momentum of name='sgd'"),
    (
        {"optimizer.nesterov": True, "optimizer.name": "sgd", "optimizer.b1": 0.0},
        r"not by 'sgd' with b1=0: set nesterov=False",
    ),
    ({"evaluators.retrieval.k": ()}, r"retrieval.k=\(\) must be whole numbers"),
    ({"mesh.data": -2}, r"mesh.data=-2 must be at least 1, or -1"),
    ({"data.text.choice": "longest"}, r"data.text.choice='longest'"),
    ({"data.text.label_share": 0.5}, r"label_share=0.5 shows labels, but no templates"),
    (
        {"data.text_views": ConfigDict({"named": {"count": 1, "label_share": 0.5}})},
        r"text_views.named.label_share=0.5 shows labels, but no templates",
    ),
    ({"data.sources.quickstart.format": "parket"}, r"format='parket' is not one of .*did you mean 'parquet'"),
    ({"data.sources.quickstart.path": ""}, r"data.sources.quickstart.path is empty"),
    ({"data.sources.quickstart.path": "data/*.nothing"}, r"nothing at 'data/\*.nothing' \(looked in "),
    ({"data.sources.quickstart.weight": 0.0}, r"every source of data.sources has weight 0 \(quickstart\)"),
    ({"data.sources.quickstart.weight": -1.0}, r"data.sources.quickstart.weight=-1.0 must be at least 0"),
    ({"data.sources": ConfigDict()}, r"data.sources is empty"),
    ({"data.evaluation.val.path": "nowhere"}, r"data.evaluation.val.path: there is nothing at 'nowhere'"),
    (
        {"evaluators.zero_shot.sets": ("vall",)},
        r"zero_shot.sets: 'vall' is not in data.evaluation, which has",
    ),
    ({"evaluators.zero_shot.sets": ()}, r"zero_shot.sets is empty"),
    *[
        (
            {
                "evaluators.features.final": True,
                "evaluators.features.sets": ("val",),
                f"evaluators.features.{sets}": ("no",),
            },
            r"evaluators.features.sets: 'no' is not in data.evaluation",
        )
        for sets in ("train_sets", "validation_sets")
    ],
    ({"tokenizer.path": "", "tokenizer.kind": "siglip"}, r"there is no file ''.* spiece.model of a SigLIP"),
    ({"evaluators.retrieval.k": (0, 1)}, r"retrieval.k=\(0, 1\)"),
    ({"mesh.data": 0}, r"mesh.data=0 must be at least 1, or -1"),
    ({"mesh.fsdp": -1}, r"only one axis may be -1"),
    ({"checkpoint.keep_last": 0}, r"checkpoint.keep_last=0 must be at least 1"),
]


@pytest.mark.parametrize(
    ("settings", "message"),
    CONTRADICTIONS,
    ids=[",".join(s) + f"={next(iter(s.values()))!r:.12}" for s, _ in CONTRADICTIONS],
)
def test_a_contradiction_is_named(config: ConfigDict, settings: dict[str, Any], message: str) -> None:
    validate(config)
    apply(config, settings)
    with pytest.raises(ConfigError, match=message) as raised:
        validate(config)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("settings", ALLOWED, ids=[",".join(settings) for settings in ALLOWED])
def test_what_lies_just_within_a_limit_is_allowed(config: ConfigDict, settings: dict[str, Any]) -> None:
    apply(config, settings)
    validate(config)


def test_a_config_that_does_not_start_from_base_says_so() -> None:
    with pytest.raises(ConfigError, match=r"the config has no name: start .* from configs.base"):
        validate(ConfigDict({"steps": 3}))
