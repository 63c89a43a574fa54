"""What makes the objective small."""

import numpy as np

from vlp.given import Context

_TOWER = {"size": "", "width": 8, "depth": 1, "heads": 2, "mlp_dim": 16, "patch_size": 4, "resolution": 16}
SETTINGS = {"tower": _TOWER, "words": 2, "chunk": 3}
CONTEXT = Context.from_dict({"texts": {"sentence": (1, 1)}})
GIVEN = {
    "texts/sentence": {
        "ids": np.array([[4, 9, 5, 0, 0, 0]], np.int32),
        "mask": np.arange(6)[None] < 3,
        "label": np.zeros(1, np.int32),
        "first": np.zeros(1, np.int32),
    }
}
