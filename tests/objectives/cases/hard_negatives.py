"""What makes the objective small: two foils an image, one of which is the text itself."""

import numpy as np

SETTINGS = {"columns": "own"}
VIEWS = {"foils": {"count": 2, "foils": "swap"}}


def fields(dice, count):
    """Texts and foils."""
    texts = dice.integers(4, 50, (count, 6), dtype=np.int32)
    foils = dice.integers(4, 50, (count, 2, 6), dtype=np.int32)
    foils[0, 1] = texts[0]
    mask = np.ones((count, 2, 6), bool)
    return {"text": texts, "text_mask": mask[:, 0], "foils": foils, "foils_mask": mask}
