"""Every kind of tower says what makes it small."""

from __future__ import annotations

import pytest
from ml_collections import ConfigDict

from configs import base
from configs.settings.towers import tiny
from vlp.models.families import FAMILIES, family, unused

BUDGETS = {"naflex": {"patches": 256}}
SIZES = {"resnet": "R26", "efficientnet": "B0", "convnext": "T", "fastvit": "MCi0"}


@pytest.mark.parametrize(("tower", "kind"), [(tower, kind) for tower in FAMILIES for kind in FAMILIES[tower]])
def test_a_small_tower_of_every_kind_is_one_that_its_family_takes(tower: str, kind: str) -> None:
    settings = base.get_config().model[tower]
    settings.update(kind=kind, size=SIZES.get(kind, "S"), **BUDGETS.get(kind, {}))
    large = family(tower, settings).forward_flops(settings, settings.get("resolution", 32), 32)
    settings.update(tiny(settings))
    small = family(tower, settings)
    small.check(settings, "model")
    assert small.forward_flops(settings, settings.get("resolution", 32), 32) < large / 4
    assert not [name for name, _, _ in unused(tower, settings) if name in tiny(settings)]


def test_a_small_vision_transformer_sees_four_by_four_patches() -> None:
    assert tiny(ConfigDict({"kind": "vit", "patch_size": 14}))["resolution"] == 56


def test_of_a_kind_from_outside_nothing_is_known() -> None:
    assert tiny(ConfigDict({"kind": "theirs:Tower"})) == {}
