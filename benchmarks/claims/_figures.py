"""What is looked at in a run: paths in its results.json, and functions of its folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

SET = "val_vendor"


@dataclasses.dataclass(frozen=True)
class Figure:
    """Says where a figure is found, and how it is shown.

    Attributes:
      where: path in results.json, or a function of the run's folder; what is not there is shown as '-'.
      chance: what a model reaches that knows nothing; None where there is no such thing.
      percent: whether it is a share, shown in per cent.
    """

    where: str | Callable[[Path], float | None]
    chance: float | None = None
    percent: bool = True

    @property
    def key(self) -> str:
        """The figure's name among those of a run, whatever a claim calls its column."""
        return (
            self.where
            if isinstance(self.where, str)
            else f"{self.where.__module__}.{self.where.__qualname__}"
        )

    def of(self, folder: Path) -> float | None:
        """Returns the figure of one run."""
        if callable(self.where):
            return self.where(folder)
        path = folder / "results.json"
        value = json.loads(path.read_text()).get(self.where) if path.exists() else None
        return None if value is None else float(value)


def tag_map(folder: Path, ridge: float = 1.0, at_least: int = 5) -> float | None:
    """Returns the mean average precision of a ridge probe on frozen image embeddings of the training images.

    Over the tags that several training and several evaluation images have; None of a folder without a checkpoint.
    """
    import vlp
    from input_pipeline.evaluation_set import load_evaluation_set

    if not (folder / "checkpoints").exists():
        return None
    model = vlp.load(folder)
    sets = [
        load_evaluation_set(
            {"format": "parquet", "path": f"data/quickstart/{name}.parquet"}, model.preprocessing
        )
        for name in ("train", SET)
    ]
    rows, columns = ([model.encode_image_array(one.images), one.tags] for one in sets)
    names = sorted({tag for tags in rows[1] for tag in tags})
    known, wanted = (
        np.array([[name in tags for name in names] for tags in map(set, side[1])]) for side in (rows, columns)
    )
    kept = (known.sum(axis=0) >= at_least) & (wanted.sum(axis=0) >= at_least)
    x, y = rows[0].astype(np.float64), known[:, kept] - known[:, kept].mean(axis=0)
    weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
    scores, truth = columns[0] @ weights, wanted[:, kept]
    return float(np.mean([average_precision(s, t) for s, t in zip(scores.T, truth.T, strict=True)]))


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Returns the mean of the precision at each relevant item, best score first."""
    hits = truth[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


FIGURES: Mapping[str, Figure] = {
    "zero-shot top-1": Figure(f"zero_shot/{SET}/top1", 0.011),
    "text to image R@10": Figure(f"retrieval/{SET}/text_to_image/recall@10", 0.025),
    "image to text R@10": Figure(f"retrieval/{SET}/image_to_text/recall@10", 0.025),
    "tag mAP": Figure(tag_map),
    "other drawings, text to image R@10": Figure("retrieval/other/text_to_image/recall@10", 0.022),
}
