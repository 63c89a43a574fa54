"""Categories that nobody has named, found beside those that have labels, and their prototypes: GPC."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import CHUNK
from configs.settings.setting import Setting, count, natural, not_negative, positive, share

CLASS = "vlp.objectives.discovery:Discovery"

SETTINGS = {
    "view": Setting("strong", "a name of data.image_views, with a count of 2"),
    "labels": Setting("classes", "an entry of data.labels: the categories that have names"),
    "episode_size": count(65_536, "images that are clustered at a time, a multiple of batch_size"),
    "clusters": Setting(512, "components that there may be", at_least=2),
    "start": natural(
        0, "components at first; 0 = twice as many as there are labels, for those of labels are never split"
    ),
    "rounds": natural(10, "of splits and merges"),
    "iterations": count(20, "of k-means in each round"),
    "components": count(32, "principal ones of the features that the likelihood sees; not verified"),
    "kappa": positive(1e-4, "of the prior: points that the mean is worth"),
    "spread": positive(0.005, "of the prior's covariance"),
    "accept": share(0.1, "probability of a split or merge that the likelihood refuses"),
    "density": positive(0.1, "mean of the prototypes' temperatures; not verified"),
    "label_weight": share(0.35, "of SupCon; the rest is NT-Xent's"),
    "prototype_weight": not_negative(1.0, "of the prototypes"),
    "view_temperature": positive(1.0, "of NT-Xent"),
    "label_temperature": positive(0.07, "of SupCon"),
    "hidden_width": count(2048, "of the head"),
    "width": count(256, "of what is compared"),
    "chunk": CHUNK,
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that an episode is whole batches."""
    if entry.weight and entry.episode_size % config.batch_size:
        raise ValueError(
            f"{where}.episode_size={entry.episode_size} must be a multiple of batch_size={config.batch_size}: use "
            f"{max(1, entry.episode_size // config.batch_size) * config.batch_size}"
        )
