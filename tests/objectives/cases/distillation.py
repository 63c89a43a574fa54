"""What makes the objective small: two stored teachers."""

import numpy as np

from vlp.given import Context

SETTINGS = {
    "stored_images": ("taught_images",),
    "stored_texts": ("taught_texts",),
    "stored_widths": (12, 8),
    "scales": (20.0, 30.0),
    "chunk": 4,
}
CONTEXT = Context()


def fields(dice, count):
    """Unit rows of both teachers, side by side."""

    def rows(width):
        drawn = dice.normal(size=(count, width)).astype(np.float32)
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    return {name: np.concatenate([rows(12), rows(8)], axis=1) for name in ("taught_images", "taught_texts")}
