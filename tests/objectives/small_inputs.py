"""Inputs that several objectives' cases have in common: a config, texts of a few names, regions of images."""

from __future__ import annotations

import numpy as np
from ml_collections import ConfigDict

from configs import base


def tiny_config() -> ConfigDict:
    """A pretrainer so small that it compiles at once."""
    config = base.get_config()
    config.unlock()
    config.model.embed_dim = 16
    tiny = {"size": "", "width": 16, "depth": 1, "heads": 2, "mlp_dim": 32}
    config.model.image.update(tiny, patch_size=4, resolution=16, patch_dropout=0.5)
    config.model.text.update(tiny)
    config.tokenizer.length = 6
    config.objectives.contrastive.weight = 1.0
    config.objectives.distraction = {"kind": "distraction:Distraction", "weight": 0.0}
    return config


def names(labels: tuple[int, ...] = (0, 0, 1, 2, 2)) -> dict[str, np.ndarray]:
    """Texts of names, one or several each, as a step is given them."""
    dice, count = np.random.default_rng(3), len(labels)
    return {
        "ids": dice.integers(4, 50, (count, 6), dtype=np.int32),
        "mask": np.arange(6) < dice.integers(2, 7, (count, 1)),
        "label": np.array(labels, np.int32),
        "first": np.unique(labels, return_index=True)[1].astype(np.int32),
    }


def states(dice: np.random.Generator, count: int) -> np.ndarray:
    """Yes, no or unknown of three labels."""
    return dice.integers(-1, 2, (count, 3), dtype=np.int8)


def regions(dice: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """One to three boxes an image."""
    start = dice.random((count, 3, 2)) * 0.5
    boxes = np.concatenate([start, start + 0.3 + 0.2 * dice.random((count, 3, 2))], axis=2)
    there = np.arange(3) < dice.integers(1, 4, (count, 1))
    return {"region_boxes": (boxes * there[..., None]).astype(np.float32), "region_mask": there}


def region_classes(dice: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Of each of three regions one of three classes, or none."""
    labels = dice.integers(-1, 3, (count, 3))
    return {"region_classes": (np.arange(3) == labels[..., None]).astype(np.int8)}


def region_texts(dice: np.random.Generator, there: np.ndarray) -> dict[str, np.ndarray]:
    """A text for each region that is there."""
    mask = np.arange(6) < np.where(there, dice.integers(3, 7, there.shape), 1)[..., None]
    return {
        "region_text": dice.integers(4, 50, (*there.shape, 6), dtype=np.int32),
        "region_text_mask": mask,
    }
