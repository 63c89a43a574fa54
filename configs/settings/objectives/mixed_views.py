"""Two images in one, and the views and texts of both as targets of one forward pass: M3I."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import CHUNK
from configs.settings.setting import Setting, count, natural, not_negative, positive, share, share_below_one

CLASS = "vlp.objectives.mixed_views:MixedViews"
ASKS = {"image": "hidden_patches"}

SETTINGS = {
    "view": Setting("strong", "a name of data.image_views with a count of 2"),
    "text_view": Setting("text", "batch field of texts: `text`, or a name of data.text_views"),
    "mixed": share_below_one(0.5, "of an image's patches that are another's"),
    "view_weight": not_negative(1.0, "of views as a teacher sees them; 0 = there is no teacher"),
    "text_weight": not_negative(1.0, "of texts; 0 = no text is read"),
    "temperature": positive(0.2, "of cosines between views"),
    "hidden_width": count(4096, "of the hidden layer of the head on views"),
    "output_width": count(256, "of that head"),
    "depth": natural(
        2, "blocks of the queries, as wide as the tower; 0 = its pooled output answers for both"
    ),
    "heads": count(8, "of these"),
    "mlp_dim": count(2048, "hidden units of a block"),
    "momentum": share(0.996, "of the teacher"),
    "momentum_steps": natural(0, "from momentum to 1 along half a cosine; 0 = it stays"),
    "chunk": CHUNK,
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that something is asked."""
    del config
    if entry.weight and not entry.view_weight and not entry.text_weight:
        raise ValueError(
            f"{where}: view_weight and text_weight are both 0, so that nothing is asked: raise one of them"
        )
