"""Images against texts, and each against texts of its own that are wrong by a little: DesCo, NegCLIP."""

from __future__ import annotations

from typing import Any

from configs.settings.kernels import CHUNK
from configs.settings.objectives.contrastive import TARGETS
from configs.settings.setting import Setting, share

CLASS = "vlp.objectives.hard_negatives:HardNegatives"

SETTINGS = {
    "image_view": Setting("image", "batch field of images"),
    "foils": Setting("foils", "a name of data.text_views that has `foils`"),
    "columns": Setting("own", "whose foils an image is compared with", choices=("own", "all")),
    "targets": Setting(
        "pair", "what makes an image and a text match: equal ids of this kind", choices=TARGETS
    ),
    "direction": share(0.5, "share of image-to-text; the rest is text-to-image"),
    "chunk": CHUNK,
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that there are foils."""
    view = config.data.text_views.get(entry.foils)
    if entry.weight and not (view and view.get("foils")):
        raise ValueError(
            f"{where}.foils='{entry.foils}' is no text view of wrong texts: set "
            f"data.text_views.{entry.foils}={{'count': 2, 'foils': 'swap+replace'}}"
        )
