"""Which of an image's hidden pieces belongs at a place: Selfie."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, count, share

CLASS = "vlp.objectives.patch_picking:PatchPicking"
ASKS = {"image": "hidden_patches"}

SETTINGS = {
    "view": Setting("image", "batch field of images: `image`, or a name of data.image_views"),
    "piece": count(2, "patches along a side of a piece, which the tower sees as an image by itself"),
    "share": share(0.25, "of an image's pieces that are hidden, two at least"),
    "depth": count(3, "blocks of the attention over the pieces that are seen"),
    "heads": count(8, "of these"),
    "mlp_dim": count(2048, "hidden units of a block"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that there are pieces to hide and to see."""
    if not entry.weight:
        return
    image = config.model.image
    pieces = (image.resolution // image.patch_size // entry.piece) ** 2
    hidden = max(2, int(entry.share * pieces))
    if hidden >= pieces:
        raise ValueError(
            f"{where}.piece={entry.piece} and share={entry.share} hide {hidden} of {pieces} pieces, and some have to "
            "be seen: lower one of them"
        )
