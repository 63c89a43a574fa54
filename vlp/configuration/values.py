"""Which values each setting may have, taken by itself: choices and ranges, as two tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from vlp.configuration.errors import ConfigError, nearest

CHOICES: dict[str, tuple[str, ...]] = {
    "model.projection": ("linear", "mlp"),
    "model.dtype": ("float32", "bfloat16"),
    "model.attention": ("auto", "xla", "cudnn"),
    "model.scan_blocks": ("auto", "scan", "unroll"),
    "model.remat": ("none", "dots", "full"),
    "model.image.activation": ("gelu", "gelu_tanh", "quick_gelu"),
    "model.image.norm": ("group", "batch"),
    "model.image.projection": ("", "linear", "biased", "mlp", "none"),
    "model.text.activation": ("gelu", "gelu_tanh", "quick_gelu"),
    "model.text.projection": ("", "linear", "biased", "mlp", "none"),
    "model.image.position": ("learned", "sincos2d"),
    "model.image.pool": ("class", "mean", "attention"),
    "model.text.pool": ("first", "end", "last", "mean", "attention"),
    "tokenizer.kind": ("sentencepiece", "clip", "siglip", "huggingface"),
    "tokenizer.clean": (
        "",
        "none",
        "lower",
        "ascii_lower",
        "ftfy_whitespace",
        "ftfy_lower",
        "ftfy_canonicalize",
    ),
    "objectives.contrastive.kernel": ("softmax", "sigmoid"),
    "objectives.contrastive.targets": ("pair", "text", "label", "group"),
    "objectives.discrimination.kernel": ("softmax", "separated"),
    "objectives.discrimination.margin_kind": ("cosine", "angle"),
    "objectives.ranking.targets": ("pair", "text", "label", "group"),
    "evaluators.image_retrieval.relevant": ("label", "group"),
    "evaluators.composed_retrieval.rule": ("sum", "slerp"),
    "optimizer.name": ("adamw", "adafactor", "muon"),
    "optimizer.momentum_dtype": ("float32", "bfloat16"),
    "optimizer.schedule.name": ("cosine", "reciprocal_sqrt", "constant"),
    "cluster.init": ("kmeans++", "random"),
    "cluster.feature": ("image", "text", "mean"),
    "embed.feature": ("image", "text", "both"),
    "embed.format": ("npy", "parquet"),
    "data.image.resize": ("squash", "crop", "pad"),
    "data.text.choice": ("first", "uniform"),
    "evaluators.zero_shot.pooling": ("embedding", "score", "probability"),
    "evaluators.zero_shot.rule": ("argmax", "frechet"),
}


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from low to high; either end may be excluded."""

    low: float
    high: float = math.inf
    without_low: bool = False
    without_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.without_low else value >= self.low
        below = value < self.high if self.without_high else value <= self.high
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"{'above' if self.without_low else 'at least'} {self.low}"
        return (
            f"in {'(' if self.without_low else '['}{self.low}, {self.high}{')' if self.without_high else ']'}"
        )


COUNT, NATURAL = Range(1), Range(0)
POSITIVE, NOT_NEGATIVE = Range(0, without_low=True), Range(0)
SHARE, SHARE_BELOW_ONE = Range(0, 1), Range(0, 1, without_high=True)
POSITIVE_SHARE = Range(0, 1, without_low=True)

CATEGORY_SEARCH = {"every": NATURAL, "nearest": COUNT, "alpha": SHARE, "scale": POSITIVE}

RANGES: dict[str, Range] = {
    "seed": NATURAL,
    "steps": COUNT,
    "batch_size": COUNT,
    "max_skipped": NATURAL,
    "rollback.factor": NOT_NEGATIVE,
    "rollback.window": COUNT,
    "rollback.most": COUNT,
    "model.embed_dim": COUNT,
    "model.micro_batch": NATURAL,
    "model.logit_scale.init": POSITIVE,
    "model.logit_scale.min": NOT_NEGATIVE,
    "model.logit_scale.max": POSITIVE,
    "model.image.patch_size": COUNT,
    "model.image.resolution": COUNT,
    "model.image.registers": NATURAL,
    "model.image.patch_dropout": SHARE_BELOW_ONE,
    "model.image.norm_eps": POSITIVE,
    "model.text.norm_eps": POSITIVE,
    "model.text.ngrams": COUNT,
    "model.text.buckets": COUNT,
    "interop.resolution": NATURAL,
    "interop.patch_size": NATURAL,
    "tokenizer.length": Range(3),
    "tokenizer.vocabulary_size": NATURAL,
    "objectives.contrastive.chunk": NATURAL,
    "objectives.contrastive.direction": SHARE,
    "objectives.contrastive.label_smoothing": SHARE_BELOW_ONE,
    "objectives.discrimination.classes": COUNT,
    "objectives.discrimination.scale": POSITIVE,
    "objectives.discrimination.margin": NOT_NEGATIVE,
    "objectives.discrimination.rate": POSITIVE_SHARE,
    "objectives.discrimination.feature_rate": POSITIVE_SHARE,
    "objectives.discrimination.chunk": COUNT,
    "objectives.prototypes.episode_size": COUNT,
    "objectives.prototypes.clusters": COUNT,
    "objectives.prototypes.iterations": COUNT,
    "objectives.prototypes.dim": COUNT,
    "objectives.prototypes.head_width": COUNT,
    "objectives.prototypes.temperature": NOT_NEGATIVE,
    "objectives.prototypes.teacher_dim": COUNT,
    "objectives.prototypes.teacher_weight": NOT_NEGATIVE,
    "objectives.prototypes.stop_step": NATURAL,
    "objectives.view_contrast.temperature": POSITIVE,
    "objectives.view_contrast.hidden_width": COUNT,
    "objectives.view_contrast.output_width": COUNT,
    "objectives.self_distillation.hidden_width": COUNT,
    "objectives.self_distillation.bottleneck_width": COUNT,
    "objectives.self_distillation.prototypes": Range(2),
    "objectives.self_distillation.temperature": POSITIVE,
    "objectives.self_distillation.teacher_temperature": POSITIVE,
    "objectives.self_distillation.first_temperature": POSITIVE,
    "objectives.self_distillation.temperature_steps": NATURAL,
    "objectives.self_distillation.momentum": SHARE,
    "objectives.self_distillation.momentum_steps": NATURAL,
    "objectives.self_distillation.centre_momentum": SHARE_BELOW_ONE,
    "objectives.grouping.logit_scale.init": POSITIVE,
    "objectives.grouping.logit_scale.min": NOT_NEGATIVE,
    "objectives.grouping.logit_scale.max": POSITIVE,
    "objectives.ranking.margin": NOT_NEGATIVE,
    "optimizer.learning_rate": POSITIVE,
    "optimizer.b1": SHARE_BELOW_ONE,
    "optimizer.b2": SHARE_BELOW_ONE,
    "optimizer.eps": POSITIVE,
    "optimizer.weight_decay": NOT_NEGATIVE,
    "optimizer.clip_norm": NOT_NEGATIVE,
    "optimizer.ema_decay": SHARE_BELOW_ONE,
    "optimizer.schedule.warmup_steps": NATURAL,
    "optimizer.schedule.cooldown_steps": NATURAL,
    "optimizer.schedule.final": SHARE,
    "data.text.label_share": SHARE,
    "data.image.color_jitter_probability": SHARE,
    "data.image.grayscale": SHARE,
    "data.image.blur": SHARE,
    "data.image.solarize": SHARE,
    "data.workers": NATURAL,
    "data.threads": COUNT,
    "data.prefetch": COUNT,
    "data.max_bad_share": SHARE,
    "data.watchdog_seconds": NATURAL,
    "data.watchdog_reports": COUNT,
    "describe.tags": COUNT,
    "evaluators.zero_shot.every": NATURAL,
    "evaluators.zero_shot.nearest": COUNT,
    "evaluators.zero_shot.alpha": SHARE,
    "evaluators.class_means.every": NATURAL,
    "evaluators.class_means.tasks": COUNT,
    "evaluators.class_means.seed": NATURAL,
    "evaluators.retrieval.every": NATURAL,
    "evaluators.multi_label.every": NATURAL,
    "evaluators.multi_label.min_images": COUNT,
    **{
        f"evaluators.{name}.{setting}": allowed
        for name in ("vocabulary_free", "vocabulary_free_regions")
        for setting, allowed in CATEGORY_SEARCH.items()
    },
    "evaluators.vocabulary_free_regions.collages": COUNT,
    "evaluators.dense.every": NATURAL,
    "evaluators.dense.collages": COUNT,
    "evaluators.features.every": NATURAL,
    "evaluators.features.neighbours": COUNT,
    "evaluators.features.temperature": POSITIVE,
    "evaluators.features.svm_penalty": POSITIVE,
    "evaluators.features.ridge_penalty": POSITIVE,
    "evaluators.clusters.every": NATURAL,
    "evaluators.clusters.iterations": COUNT,
    "evaluators.geometry.every": NATURAL,
    "distributed.processes": NATURAL,
    "distributed.process": NATURAL,
    "distributed.start_seconds": COUNT,
    "distributed.heartbeat_seconds": Range(5),
    "evaluators.retrieval.folds": COUNT,
    "evaluators.image_retrieval.every": NATURAL,
    "evaluators.composed_retrieval.every": NATURAL,
    "evaluators.composed_retrieval.text_weight": SHARE,
    "profile.first": NATURAL,
    "profile.steps": COUNT,
    "checkpoint.every": NATURAL,
    "checkpoint.keep_last": COUNT,
    "checkpoint.keep_every": NATURAL,
    "log.every": COUNT,
    "prepare.max_side": Range(1, 65_500),
    "prepare.quality": Range(1, 100),
    "prepare.duplicate_tolerance": Range(-1, 255),
    "prepare.records_per_shard": COUNT,
    "prepare.processes": NATURAL,
    "inspect.records": NATURAL,
    "inspect.rows": COUNT,
    "inspect.visits": COUNT,
    "inspect.seconds": POSITIVE,
    "inspect.mfu": Range(0, 1, without_low=True),
    "embed.shard_records": COUNT,
    "embed.batch_size": COUNT,
    "cluster.k": COUNT,
    "cluster.iterations": COUNT,
    "cluster.nearest": COUNT,
    "cluster.seed": NATURAL,
    "cluster.chunk_points": COUNT,
    "cluster.chunk_centres": COUNT,
}


def check_values(leaves: Mapping[str, Any]) -> None:
    """Checks every setting of the two tables.

    Args:
      leaves: the flattened config.

    Raises:
      ConfigError: a value that is not allowed, or a setting that the config lacks.
    """
    for path, choices in CHOICES.items():
        value = _get(leaves, path)
        if value not in choices:
            near = nearest(str(value), [choice for choice in choices if choice])
            hint = f"; did you mean '{near}'?" if near else ""
            raise ConfigError(f"{path}='{value}' is not one of {', '.join(map(repr, choices))}{hint}")
    for path, allowed in RANGES.items():
        value = _get(leaves, path)
        if value not in allowed:
            raise ConfigError(f"{path}={value} must be {allowed}: set it with --config.{path}=...")


def _get(leaves: Mapping[str, Any], path: str) -> Any:
    if path not in leaves:
        raise ConfigError(f"the config has no {path}: start a config file from configs.base.get_config()")
    return leaves[path]
