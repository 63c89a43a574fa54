"""A setting's limits: what is said of them, and what they let through."""

from __future__ import annotations

import pytest

from configs.settings.setting import (
    Setting,
    count,
    natural,
    not_negative,
    positive,
    positive_share,
    share,
    share_below_one,
)


@pytest.mark.parametrize(
    ("setting", "said", "allowed", "refused"),
    [
        (Setting(0.0), "", [-1e9, 0.0], []),
        (count(1), "at least 1", [1, 2], [0]),
        (natural(1), "at least 0", [0], [-1]),
        (positive(1.0), "above 0", [1e-9], [0.0]),
        (not_negative(1.0), "at least 0", [0.0], [-1e-9]),
        (share(0.5), "in [0, 1]", [0.0, 1.0], [-0.1, 1.1]),
        (share_below_one(0.5), "in [0, 1)", [0.0, 0.99], [-0.1, 1.0]),
        (positive_share(0.5), "in (0, 1]", [0.01, 1.0], [0.0, 1.1]),
        (Setting(0.5, above=0, below=2), "in (0, 2)", [1.0], [0.0, 2.0]),
        (Setting(0.5, at_most=2), "in (-inf, 2]", [-9.0, 2.0], [2.1]),
        (Setting("a", choices=("a", "b")), "", ["a", "b"], ["c", ""]),
    ],
)
def test_limits_let_through_what_they_say(setting: Setting, said: str, allowed: list, refused: list) -> None:
    assert setting.limits() == said
    assert all(setting.allows(value) for value in allowed)
    assert not any(setting.allows(value) for value in refused)
    if said:
        assert not setting.allows(float("nan")) and not setting.allows(float("inf"))
