"""Prototypes found anew for every episode, beside a contrast: ProtoCLIP."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count, natural, not_negative

CLASS = "vlp.objectives.prototypes:Prototypes"

SETTINGS = {
    "episode_size": count(200_000, "examples clustered ahead, a multiple of the batch"),
    "clusters": count(20_000, "prototypes of each kind of feature"),
    "iterations": count(20, "of k-means"),
    "dim": count(128, "of the heads' outputs"),
    "head_width": count(2048, "of the heads' hidden layer"),
    "last_bias": Setting(False, "of the heads' last layer"),
    "temperature": not_negative(0.01, "of the targets; 0 = hard ones"),
    "back_translation": Setting(True, "prototypes from the means of the other modality's features"),
    "teacher": Setting("", "a name of data.tables that holds embeddings; '' = none"),
    "teacher_dim": count(64, "of the head that is compared with the teacher's prototypes"),
    "teacher_weight": not_negative(1.0, "of the teacher's terms"),
    "stop_step": natural(0, "from which on it has no loss; 0 = never"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that an episode is a whole number of batches, has an example for each cluster, and cannot be rolled
    back."""
    size, batch = entry.episode_size, config.batch_size
    if not entry.weight:
        return
    if size % batch:
        fitting = sorted({max(size - size % batch, batch), size - size % batch + batch})
        raise ValueError(
            f"{where}.episode_size={size} is not a multiple of batch_size={batch}: "
            f"use {' or '.join(map(str, fitting))}"
        )
    if entry.clusters > size:
        raise ValueError(
            f"{where}.clusters={entry.clusters} is more than episode_size={size} has examples: lower it"
        )
    if config.rollback.factor:
        raise ValueError(
            f"rollback.factor={config.rollback.factor} cannot be used with {where}, whose clusters belong to the "
            "episode under way: set it to 0"
        )
