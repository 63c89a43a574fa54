"""A run's stages: smaller images, shorter texts and dropped patches for most of it, the config itself at the end.

FLIP (arXiv 2212.00794) drops patches, CLIPA (2305.07017) shrinks images and cuts texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict, FrozenConfigDict

from vlp.configuration.errors import ConfigError
from vlp.configuration.tree import flatten

# By their names in `stages`: the settings that stages before the last have in a value of their own.
STAGED = {
    "resolution": "model.image.resolution",
    "patches": "model.image.patches",
    "text_length": "tokenizer.length",
    "patch_dropout": "model.image.patch_dropout",
}


class StagePlan(NamedTuple):
    """One stage of a run.

    Attributes:
      number: from 1.
      total: how many there are.
      start: updates made before it.
      until: updates after which it ends.
      config: the whole config, as this stage has it.
    """

    number: int
    total: int
    start: int
    until: int
    config: Any


def stages(config: Any) -> tuple[StagePlan, ...]:
    """Returns the stages of a resolved config in their order; one, of the config itself, where `stages.until` is
    empty."""
    # A checkpoint's config may be from before there were any.
    ends = stage_ends(config.stages.until, config.steps) if "stages" in config else ()
    spans = zip((0, *ends), (*ends, config.steps), strict=True)
    # A share of few steps can come to no update.
    return tuple(
        StagePlan(number, len(ends) + 1, start, until, _config_of(config, number))
        for number, (start, until) in enumerate(spans, start=1)
        if start < until
    )


def stage_ends(until: Sequence[float], steps: int) -> tuple[int, ...]:
    """Returns the updates after which all stages end but the last, which ends with the run.

    Args:
      until: as `stages.until` has it: numbers of updates, or below 1 shares of the run, rounded down.
      steps: updates of the whole run.
    """
    # 0.29 of 100 is 28.999999999999996 to a float.
    return tuple(int(round(end * steps, 6)) if end < 1 else int(end) for end in until)


def stage_config(config: Any, step: int) -> Any:
    """Returns the config of the stage that a state after `step` updates is of: the one that made the last of them."""
    plans = stages(config)
    return next((plan.config for plan in plans if step <= plan.until), plans[-1].config)


def staged_sizes(config: Any) -> dict[str, Any]:
    """Returns the settings that the arrays of one stage differ by from another's, by their paths."""
    leaves = flatten(config)
    return {path: leaves.get(path) for name, path in STAGED.items() if name != "patch_dropout"}


def _config_of(config: Any, number: int) -> Any:
    settings = config.get("stages", {})
    if number > len(settings.get("until", ())):
        return config
    changed = ConfigDict(config).copy_and_resolve_references()
    changed.update_from_flattened_dict(
        {path: settings[name][number - 1] for name, path in STAGED.items() if settings[name]}
    )
    return FrozenConfigDict(changed)


def check_spans(config: ConfigDict) -> None:
    """Checks that stages follow on each other and that each says what it has.

    Raises:
      ConfigError: they do not, or one is larger than the last.
    """
    settings, given = config.stages, config.stages.until
    numbers = all(type(end) in (int, float) and (0 < end < 1 or end % 1 == 0) for end in given)
    ends = stage_ends(given, config.steps) if numbers else ()
    grow = list(ends) == sorted(ends) and len(set(given)) == len(given)
    if not numbers or not grow or (ends and not (min(given) > 0 and ends[-1] < config.steps)):
        raise ConfigError(
            f"stages.until={given} must be whole numbers of updates, or shares of the run between 0 and 1, that grow, "
            f"from 1 to below steps={config.steps}, after which the last stage ends"
        )
    used = [name for name in STAGED if settings[name]]
    if ends and not used:
        names = " or ".join(f"stages.{name}" for name in STAGED)
        raise ConfigError(f"stages.until={given}: nothing differs before the last stage; set {names}")
    for name in used:
        _check_values_of(config, name)


def _check_values_of(config: ConfigDict, name: str) -> None:
    """One for each stage but the last, of the setting's type and, but for the patch dropout, not above it."""
    path, values, count = STAGED[name], config.stages[name], len(config.stages.until)
    where = f"stages.{name}={values}"
    if len(values) != count:
        raise ConfigError(
            f"{where} must have {count} value(s), one for each number of stages.until={config.stages.until}: the last "
            f"stage has {path}"
        )
    kinds = (float, int) if name == "patch_dropout" else (int,)
    if any(type(value) not in kinds for value in values):
        raise ConfigError(f"{where} must be {'' if float in kinds else 'whole '}numbers")
    last = flatten(config)[path]
    if float not in kinds and max(values) > last:
        raise ConfigError(f"{where}: the last stage is the largest, with {path}={last}; use at most that")
