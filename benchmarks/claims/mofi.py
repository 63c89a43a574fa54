"""Entities as classes, contrast, and both: images that find images of their category."""

from pathlib import Path

import numpy as np

from benchmarks.claims import FIGURES, SET, Claim, Figure, train
from benchmarks.claims._figures import average_precision
from benchmarks.claims._shared import CLIP, ENTITIES, ENTITIES_ALONE


def category_map(folder: Path) -> float:
    """Returns the mean average precision of images that ask for others of their category, by cosine."""
    import vlp
    from input_pipeline.evaluation_set import load_evaluation_set

    model = vlp.load(folder)
    columns = {"label": "category"}
    found = load_evaluation_set(
        {"format": "parquet", "path": f"data/quickstart/{SET}.parquet", "columns": columns},
        model.preprocessing,
    )
    rows, labels = np.asarray(model.encode_image_array(found.images)), np.array(found.labels)
    same, others = labels[:, None] == labels, ~np.eye(len(labels), dtype=bool)
    asked = np.flatnonzero((same & others).any(axis=1))
    scores = rows @ rows.T
    return float(np.mean([average_precision(scores[i][others[i]], same[i][others[i]]) for i in asked]))


CLAIM = Claim(
    title="MOFI: entities as classes beside the contrast",
    arxiv="2306.07952",
    says="86.7 mAP on GPR1200 (CLIP: 72.2); entities as classes are better than contrast for finding images by images, "
    "and both together are the best of all",
    arms={"CLIP": CLIP, "entities alone": ENTITIES_ALONE, "CLIP + entities": train(*ENTITIES)},
    figures={"image to image mAP": Figure(category_map), **FIGURES},
)
