"""Images against texts with a memory of each record's normaliser: SogCLR, iSogCLR, FastCLIP."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import CHUNK
from configs.settings.setting import Setting, count, natural, not_negative, positive, positive_share, share

CLASS = "vlp.objectives.global_contrast:GlobalContrast"

SETTINGS = {
    "records": count(1, "of all data.sources with a weight together: places of the memory"),
    "rule": Setting(
        "v3",
        "of the temperature: v0 = one, learned by the loss itself; v1 = model.logit_scale as it is; v2 = one a record; "
        "v3 = one, learned by the robust loss",
        choices=("v0", "v1", "v2", "v3"),
    ),
    "rate": positive_share(0.2, "of what is new in the memory, at last"),
    "rate_epochs": natural(16, "in which it falls from 1 to that along half a cosine; 0 = at once"),
    "rho": not_negative(6.5, "of v2 and v3: the larger, the lower temperatures"),
    "epsilon": positive(1e-14, "added to what is remembered; FastCLIP has 1e-6 at large scale"),
    "temperature": positive(0.03, "of v2, at first"),
    "temperature_rate": positive(0.0133, "of v2: learning rate of temperatures"),
    "lowest": positive(0.01, "of v2's temperatures"),
    "highest": positive(1.0, "of v2's temperatures"),
    "b1": share(0.9, "of the mean of v2's slopes"),
    "b2": share(0.999, "of the mean of their squares"),
    "image_view": Setting("image", "batch field of images"),
    "text_view": Setting("text", "batch field of texts"),
    "chunk": CHUNK,
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that temperatures have an interval, and that a constant one is not learned."""
    if entry.lowest > entry.highest:
        raise ValueError(f"{where}.lowest={entry.lowest} is above highest={entry.highest}")
    if entry.weight and config.batch_size < 2:
        raise ValueError(
            f"batch_size={config.batch_size}: {where} needs another pair to compare with: use 2 or more"
        )
