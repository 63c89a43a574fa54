"""What makes the objective small: half of the vocabulary are attributes."""

import numpy as np

from vlp.given import Context

SETTINGS = {"depth": 1, "heads": 2}
CONTEXT = Context.from_dict({"texts": {"attributes": (6, 6)}})
GIVEN = {
    "texts/attributes": {
        "ids": np.concatenate(
            [np.ones((6, 1)), np.arange(4, 28).reshape(6, 4), np.full((6, 1), 2)], axis=1
        ).astype(np.int32),
        "mask": np.ones((6, 6), bool),
        "label": np.arange(6, dtype=np.int32),
        "first": np.arange(6, dtype=np.int32),
    }
}
