"""The checks between settings, and of the files that a job needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from ml_collections import ConfigDict

from vlp.configuration.devices import check_model_axis
from vlp.configuration.errors import ConfigError
from vlp.configuration.needs import NEEDS
from vlp.configuration.schema import check_parts, settings_of
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
    check_values(flatten(config), settings_of(config))
    check_parts(config)
    _check_towers(config)
    _check_stages(config)
    _check_sets(config)
    if config.mesh.model > 1:
        check_model_axis(config, config.mesh.model)
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
            check_values(flatten(stage.config), settings_of(stage.config))
            check_parts(stage.config)
            _check_towers(stage.config)
        except ConfigError as error:
            raise ConfigError(f"stages: in stage {stage.number} of {stage.total}, {error}") from error


def _check_sets(config: ConfigDict) -> None:
    for name, evaluator in active_evaluators(config):
        if not evaluator.sets:
            raise ConfigError(
                f"evaluators.{name}.sets is empty: name some of data.evaluation, or set every=0"
            )


def active_evaluators(config: ConfigDict) -> Iterator[tuple[str, Any]]:
    """Yields the evaluators that run at all, with their settings."""
    return ((name, item) for name, item in config.evaluators.items() if item.every or item.final)
