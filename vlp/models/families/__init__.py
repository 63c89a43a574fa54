"""The kinds of towers there are, and what each says of itself before it is built; loads no jax."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator, Mapping
from pkgutil import resolve_name
from typing import Any

from input_pipeline.errors import UserError
from vlp.models.families.bag import BagFamily
from vlp.models.families.base import ABILITIES, Family
from vlp.models.families.convolutions import ConvNeXtFamily, EfficientNetFamily, ResNetFamily
from vlp.models.families.fastvit import FastVitFamily
from vlp.models.families.naflex import NaFlexFamily
from vlp.models.families.transformers import TextTransformerFamily, VisionTransformerFamily

__all__ = ["DEFAULT_KIND", "FAMILIES", "OFF", "TOWERS", "Family", "check_ability", "family", "unused"]

TOWERS = ("image", "text")

# By tower and kind.
FAMILIES: dict[str, dict[str, Family]] = {
    "image": {
        "vit": VisionTransformerFamily(),
        "resnet": ResNetFamily(),
        "efficientnet": EfficientNetFamily(),
        "convnext": ConvNeXtFamily(),
        "fastvit": FastVitFamily(),
        "naflex": NaFlexFamily(),
    },
    "text": {"transformer": TextTransformerFamily(), "bag": BagFamily()},
}
DEFAULT_KIND = {"image": "vit", "text": "transformer"}

# Settings that not every kind has, and what they are where nobody asked for them.
OFF: dict[str, dict[str, Any]] = {
    "image": {
        "heads": 0,
        "mlp_dim": 0,
        "patch_size": 16,
        "patches": 0,
        "position": "learned",
        "pool": "mean",
        "registers": 0,
        "patch_dropout": 0.0,
        "pre_norm": False,
        "norm_after_pool": False,
        "class_position": False,
        "project_query": False,
        "layer_scale": 0.0,
        "drop_path": 0.0,
        "last_heads": 0,
        "prompts": 0,
        "top_blocks": 0,
        "stem": "",
        "stem_width": 0,
        "rotary_base": 100.0,
        "rotary_grid": 0,
        "rotary_first": 0,
        "gated": False,
        "sub_norm": "",
        "branch_norm": False,
        "pool_heads": 0,
        "pool_mlp_dim": 0,
        "pool_prefix": False,
        "last_convolution": False,
    },
    "text": {"ngrams": 1, "buckets": 65_536, "layer_scale": 0.0, "post_norm": False, "context": 0},
}


def family(tower: str, settings: Mapping[str, Any]) -> Family:
    """Returns the family of a tower.

    Args:
      tower: 'image' or 'text'.
      settings: `model.image` or `model.text` of the config.

    Raises:
      ValueError: its kind is neither known nor the address of a class that can be imported.
    """
    return _family(tower, settings.get("kind", DEFAULT_KIND[tower]))


@functools.cache
def _family(tower: str, kind: str) -> Family:
    known = FAMILIES[tower]
    if kind in known:
        return known[kind]
    if ":" not in kind:
        near = difflib.get_close_matches(kind, known, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise UserError(
            f"model.{tower}.kind='{kind}' is not one of {', '.join(known)}, nor the address of your own, as "
            f"'package.module:Class'{hint}"
        )
    try:
        return _own(resolve_name(kind))
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"model.{tower}.kind='{kind}' cannot be imported: {error}") from error


def _own(kind: Any) -> Family:
    if not (isinstance(kind, type) and issubclass(kind, Family)):
        raise UserError("it is no subclass of vlp.models.families.Family")
    return kind()


def check_ability(tower: str, settings: Any, ability: str, where: str) -> None:
    """Refuses a tower without what is asked of it.

    Args:
      tower: 'image' or 'text'.
      settings: of the tower.
      ability: of `vlp.models.families.base.ABILITIES`.
      where: who asks, to begin a message with.

    Raises:
      ValueError: the setting to change, and what to.
    """
    if lacking := family(tower, settings).lacks(settings, ability):
        able = [kind for kind, one in FAMILIES[tower].items() if ability in one.abilities]
        instead = " or ".join(map(repr, able)) if lacking == "kind" else repr(OFF[tower][lacking])
        raise UserError(
            f"{where} needs {ABILITIES[ability]}, and model.{tower}.{lacking}={settings[lacking]!r} gives none: use "
            f"{instead}"
        )


def unused(tower: str, settings: Mapping[str, Any]) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Finds settings that have been set and have no meaning for the tower's kind.

    Args:
      tower: 'image' or 'text'.
      settings: of the tower.

    Yields:
      The setting, what it has to be left at, and the kinds that have it.
    """
    meaningful = family(tower, settings).meaningful(settings)
    for name, off in OFF[tower].items():
        if name not in meaningful and settings.get(name, off) != off:
            yield name, off, tuple(kind for kind, one in FAMILIES[tower].items() if name in one.optional)
