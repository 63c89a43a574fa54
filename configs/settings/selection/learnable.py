"""What the model has not learned and a frozen one has, drawn in pieces that fit each other: JEST and ACID."""

from __future__ import annotations

from typing import Any

from configs.settings.selection import trained_rows
from configs.settings.setting import Setting, count

CLASS = "vlp.selection.learnable:Learnable"

SETTINGS = {
    "reference": Setting("", "entry of `frozen` whose losses are taken away; '' = none is"),
    "learner": Setting(
        True, "count the losses of the model that learns; False = easy for the reference alone"
    ),
    "joint": Setting(
        True, "score pairs of examples (sigmoid loss), chunk by chunk; False = each by its softmax"
    ),
    "chunks": count(16, "in which the rows are drawn"),
    "image_view": Setting("image", "batch field that is scored"),
    "text_view": Setting("text", "batch field that is scored"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that there is something to score by, and that chunks are whole."""
    if not entry.ratio:
        return
    if entry.reference and entry.reference not in config.frozen:
        raise ValueError(
            f"{where}.reference='{entry.reference}' is not in frozen, which has {', '.join(config.frozen) or 'none'}: "
            f"add it, as --config.frozen.{entry.reference}=\"{{'checkpoint': PATH}}\""
        )
    if not entry.reference and not entry.learner:
        raise ValueError(f"{where} scores by nothing: name a reference, or set learner=True")
    rows = trained_rows(config)
    if not rows or rows % entry.chunks:
        raise ValueError(
            f"{where}: {rows} rows of batch_size={config.batch_size} are left by ratio={entry.ratio:g}, which is no "
            f"multiple of chunks={entry.chunks}: change one of the three"
        )
