"""Two views of the same image against those of others: SimCLR's part of SLIP."""

from __future__ import annotations

from configs.settings.kernels import CHUNK
from configs.settings.setting import Setting, count, positive

CLASS = "vlp.objectives.view_contrast:ViewContrast"

SETTINGS = {
    "view": Setting("strong", "a name of data.image_views with a count of 2"),
    "temperature": positive(0.1, "of cosines"),
    "features": Setting(
        "tower",
        "what the head stands on: the tower's output, or embeddings, whose projection is its first layer then",
        choices=("tower", "embedding"),
    ),
    "hidden_width": count(4096, "of the head's hidden layers: two, or one on embeddings"),
    "output_width": count(256, "of the head"),
    "last_bias": Setting(False, "of the head's last layer"),
    "chunk": CHUNK,
}
