"""Patches of finished runs that were trained on whole pictures: where names point on collages of others."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from benchmarks.claims import FIGURES, SET, Figure


@functools.lru_cache(maxsize=1)
def measured(folder: Path) -> Mapping[str, float]:
    """Returns the figures of `configs/eval/dense.py`; none of a folder without a checkpoint."""
    import vlp

    if not (folder / "checkpoints").exists():
        return {}
    return vlp.evaluate(folder, vlp.config("configs/eval/dense.py", evaluators__dense__sets=(SET,)))


def pointing(folder: Path) -> float | None:
    """Returns the share of names whose best cell is where they are."""
    return measured(folder).get(f"dense/{SET}/pointing")


def mean_iou(folder: Path) -> float | None:
    """Returns the mean IoU of cells that each choose among a collage's four names."""
    return measured(folder).get(f"dense/{SET}/mean_iou")


DENSE: Mapping[str, Figure] = {
    **FIGURES,
    "pointing": Figure(pointing, 0.25),
    "mean IoU": Figure(mean_iou, 1 / 7),
}
