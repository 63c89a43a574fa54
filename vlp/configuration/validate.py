"""The checks between settings, and of the files that a job needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from ml_collections import ConfigDict

from vlp.configuration.devices import check_model_axis
from vlp.configuration.errors import ConfigError
from vlp.configuration.needs import NEEDS
from vlp.configuration.stages import check_spans, stages
from vlp.configuration.tree import flatten
from vlp.configuration.values import check_values
from vlp.models.families import TOWERS, family, unused


def validate(config: ConfigDict, needs: Collection[str] | None = None) -> None:
    """Checks a resolved config without touching a device.

    Args:
      config: from `resolve`.
      needs: what the job needs to be there, of `needs.NEEDS`: 'objectives', 'sources', 'tokenizer',
        'evaluation'; None = all of them.

    Raises:
      ConfigError: the first mistake found.
    """
    check_values(flatten(config))
    for check in CHECKS:
        check(config)
    for need in NEEDS if needs is None else needs:
        NEEDS[need](config)


def _check_towers(config: ConfigDict) -> None:
    for tower in TOWERS:
        settings, where = config.model[tower], f"model.{tower}"
        try:
            kind = family(tower, settings)
            kind.check(settings, where)
            if tower == "image":
                for name, view in config.data.image_views.items():
                    place = f"data.image_views.{name}.resolution"
                    kind.check_view(settings, view.get("resolution", 0), place)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        for name, off, kinds in unused(tower, settings):
            has = " or ".join(map(repr, kinds))
            raise ConfigError(
                f"{where}.{name}={settings[name]} is for kind {has}, but {where}.kind='{settings.kind}': "
                f"leave it at {off!r}"
            )


def _check_stages(config: ConfigDict) -> None:
    check_spans(config)
    for stage in stages(config)[:-1]:
        try:
            check_values(flatten(stage.config))
            _check_towers(stage.config)
        except ConfigError as error:
            raise ConfigError(f"stages: in stage {stage.number} of {stage.total}, {error}") from error


def _check_logit_scale(config: ConfigDict) -> None:
    scales = {
        "model": config.model.logit_scale,
        "objectives.grouping": config.objectives.grouping.logit_scale,
    }
    for where, scale in scales.items():
        if not scale.min <= scale.init <= scale.max:
            which, change = ("above", "raise max") if scale.init > scale.max else ("below", "lower min")
            limit = "max" if scale.init > scale.max else "min"
            raise ConfigError(
                f"{where}.logit_scale.init={scale.init:g} is {which} its {limit}={scale[limit]:g}: {change}"
            )


def _check_contrastive(config: ConfigDict) -> None:
    contrastive = config.objectives.contrastive
    if contrastive.kernel == "sigmoid" and contrastive.label_smoothing:
        raise ConfigError(
            f"objectives.contrastive.label_smoothing={contrastive.label_smoothing} is for kernel='softmax': every cell "
            "of a sigmoid is a question of its own, with no other columns to spread over; set it to 0"
        )


def _check_schedule(config: ConfigDict) -> None:
    schedule, where = config.optimizer.schedule, "optimizer.schedule"
    used = schedule.warmup_steps + schedule.cooldown_steps
    if used > config.steps:
        raise ConfigError(
            f"{where}: warmup_steps={schedule.warmup_steps} and cooldown_steps={schedule.cooldown_steps} "
            f"do not fit into steps={config.steps}: shorten them or train longer"
        )
    if schedule.name == "cosine" and schedule.cooldown_steps:
        raise ConfigError(
            f"{where}.cooldown_steps={schedule.cooldown_steps} has no meaning for 'cosine', which decays anyway: "
            "set it to 0 or use 'constant'"
        )
    if schedule.name == "reciprocal_sqrt" and not schedule.warmup_steps:
        raise ConfigError(
            f"{where}.warmup_steps=0: 'reciprocal_sqrt' needs a warm-up, which is its time scale"
        )


def _check_image_data(config: ConfigDict) -> None:
    image = config.data.image
    for name in ("mean", "std"):
        if len(image[name]) != 3 or (name == "std" and min(image[name]) <= 0):
            limit = "three positive numbers" if name == "std" else "three numbers"
            raise ConfigError(
                f"data.image.{name}={image[name]} must be {limit}, for red, green and blue in [0, 1]"
            )
    for name, high in (("crop_scale", 1.0), ("crop_ratio", float("inf"))):
        span = image[name]
        if len(span) != 2 or not 0 < span[0] <= span[1] <= high:
            limit = "0 < low <= high" + (" <= 1" if high == 1 else "")
            raise ConfigError(f"data.image.{name}={span} must be two numbers (low, high) with {limit}")
    strengths = image.color_jitter
    if len(strengths) != 4 or min(strengths) < 0 or strengths[3] > 0.5:
        raise ConfigError(
            f"data.image.color_jitter={strengths} must be four strengths of at least 0 (brightness, contrast, "
            "saturation, hue), the hue's at most 0.5; SimCLR has (0.8, 0.8, 0.8, 0.2)"
        )
    if len(image.rand_augment) != 2 or image.rand_augment[0] < 0 or not 0 <= image.rand_augment[1] <= 30:
        raise ConfigError(
            f"data.image.rand_augment={image.rand_augment} must be (operations, magnitude) with at least 0 "
            "operations and a magnitude from 0 to 30, such as (2, 9)"
        )


def _check_tokenizer(config: ConfigDict) -> None:
    tokenizer = config.tokenizer
    if tokenizer.special_tokens and tokenizer.kind == "clip":
        raise ConfigError(
            f"tokenizer.special_tokens='{tokenizer.special_tokens}' is for other kinds; the special tokens of "
            "'clip' are fixed: leave it empty"
        )


def _check_prototypes(config: ConfigDict) -> None:
    settings, where = config.objectives.prototypes, "objectives.prototypes"
    if not settings.weight:
        return
    size, batch = settings.episode_size, config.batch_size
    if size % batch:
        fitting = sorted({max(size - size % batch, batch), size - size % batch + batch})
        raise ConfigError(
            f"{where}.episode_size={size} is not a multiple of batch_size={batch}: "
            f"use {' or '.join(map(str, fitting))}"
        )
    if settings.clusters > size:
        raise ConfigError(
            f"{where}.clusters={settings.clusters} is more than episode_size={size} has examples: lower it"
        )


def _check_start(config: ConfigDict) -> None:
    settings = config.checkpoint
    try:
        re.compile(settings.start_new)
    except re.error as error:
        raise ConfigError(
            f"checkpoint.start_new='{settings.start_new}' is no regular expression: {error}"
        ) from error
    if settings.start_new and not (settings.start or settings.start_image or settings.start_text):
        raise ConfigError(
            f"checkpoint.start_new='{settings.start_new}' has no meaning in a run that starts from nothing: set "
            "checkpoint.start, start_image or start_text"
        )


def _check_rollback(config: ConfigDict) -> None:
    factor = config.rollback.factor
    if not factor:
        return
    if factor <= 1:
        raise ConfigError(
            f"rollback.factor={factor} makes a spike of any loss: use 0 (off) or more than 1, as 1.5"
        )
    if not config.checkpoint.every:
        raise ConfigError(f"rollback.factor={factor} needs checkpoints to go back to: set checkpoint.every")
    if config.objectives.prototypes.weight:
        raise ConfigError(
            f"rollback.factor={factor} cannot be used with objectives.prototypes, whose clusters belong to the "
            "episode under way: set it to 0"
        )


def _check_weights(config: ConfigDict) -> None:
    named = {f"objectives.{name}": item.weight for name, item in config.objectives.items()}
    named |= {f"data.sources.{name}": item.weight for name, item in config.data.sources.items()}
    for where, weight in named.items():
        if not 0 <= weight < float("inf"):
            raise ConfigError(f"{where}.weight={weight} must be a number of at least 0 (0 = off)")


def _check_evaluators(config: ConfigDict) -> None:
    for name, evaluator in active_evaluators(config):
        if not evaluator.sets:
            raise ConfigError(
                f"evaluators.{name}.sets is empty: name some of data.evaluation, or set every=0"
            )
    k = config.evaluators.retrieval.k
    if not k or min(k) < 1:
        raise ConfigError(
            f"evaluators.retrieval.k={k} must be whole numbers of at least 1, such as (1, 5, 10)"
        )


def _check_cluster(config: ConfigDict) -> None:
    if config.cluster.nearest > config.cluster.k:
        raise ConfigError(
            f"cluster.nearest={config.cluster.nearest} is more than cluster.k={config.cluster.k}: lower it or raise k"
        )


def _check_mesh(config: ConfigDict) -> None:
    sizes = dict(config.mesh.items())
    for axis, size in sizes.items():
        if size < 1 and size != -1:
            raise ConfigError(
                f"mesh.{axis}={size} must be at least 1, or -1 for all devices the others leave"
            )
    if list(sizes.values()).count(-1) > 1:
        raise ConfigError(f"mesh: only one axis may be -1, not {sizes}")
    if config.mesh.model > 1:
        check_model_axis(config, config.mesh.model)


def _check_distributed(config: ConfigDict) -> None:
    settings = config.distributed
    if settings.coordinator and not settings.process < settings.processes:
        raise ConfigError(
            f"distributed.process={settings.process} is none of distributed.processes={settings.processes}: with a "
            "coordinator, give every process the number of all and its own, from 0"
        )


def active_evaluators(config: ConfigDict) -> Iterator[tuple[str, Any]]:
    """The evaluators that run at all, with their settings."""
    return ((name, item) for name, item in config.evaluators.items() if item.every or item.final)


CHECKS: tuple[Callable[[ConfigDict], None], ...] = (
    _check_towers,
    _check_stages,
    _check_logit_scale,
    _check_contrastive,
    _check_schedule,
    _check_image_data,
    _check_tokenizer,
    _check_prototypes,
    _check_start,
    _check_rollback,
    _check_weights,
    _check_evaluators,
    _check_cluster,
    _check_mesh,
    _check_distributed,
)
