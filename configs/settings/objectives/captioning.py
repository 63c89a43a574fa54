"""A caption's tokens from the image's patches, and from those before them or all at once: CoCa, Cap and Cappa."""

from __future__ import annotations

from typing import Any

from configs.settings.setting import Setting, natural, positive_share, share

CLASS = "vlp.objectives.captioning:Captioning"

SETTINGS = {
    "image_view": Setting("image", "batch field of images"),
    "text_view": Setting(
        "text", "batch field of texts: `text`, or a name of data.text_views with a count of 1"
    ),
    "size": Setting("S", "of the decoder: Ti ... So400m; '' = by the four numbers below"),
    "width": natural(0, "of its tokens"),
    "depth": natural(0, "its blocks"),
    "heads": natural(0, "of its attentions"),
    "mlp_dim": natural(0, "hidden units of a block"),
    "seen": positive_share(
        1.0, "of an image's patches, drawn anew each time, that training shows the decoder"
    ),
    "parallel": share(
        0.0, "of the texts, whose tokens are predicted all at once, from the image alone (Cappa)"
    ),
    "start": Setting(
        False, "the first token is predicted, too: for tokenizers without one that a text begins with"
    ),
    "chunk": natural(8, "places of a text whose scores of the vocabulary are there at a time; 0 = all"),
}


def check(entry: Any, config: Any, where: str) -> None:
    """Checks that the first token of a text is predicted where it says something."""
    if entry.weight and config.tokenizer.kind == "siglip" and not entry.start:
        raise ValueError(
            f"{where}.start=False never predicts the first token of a text, and those of tokenizer.kind='siglip' "
            "begin with what they say: set it to True"
        )
