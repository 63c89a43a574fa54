"""What is looked at in a run: paths in its results.json, and functions of its folder."""

from __future__ import annotations

import dataclasses
import functools
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


def tag_map(folder: Path) -> float | None:
    """Returns the mean average precision of a ridge probe on frozen image embeddings of the training images.

    Over the tags that several training and several evaluation images have; None of a folder without a checkpoint.
    """
    found = probed(folder)
    return float(np.mean(list(found.values()))) if found else None


def rare_tag_map(folder: Path) -> float | None:
    """Returns the same, of the half of these tags that the fewest training images have."""
    found = [*probed(folder).values()]
    return float(np.mean(found[: len(found) // 2])) if found else None


@functools.lru_cache(maxsize=1)
def probed(folder: Path, ridge: float = 1.0, at_least: int = 5) -> Mapping[str, float]:
    """Returns the average precision of each tag, rarest in training first."""
    import vlp
    from input_pipeline.evaluation_set import load_evaluation_set

    if not (folder / "checkpoints").exists():
        return {}
    model = vlp.load(folder)
    sets = [
        load_evaluation_set(
            {"format": "parquet", "path": f"data/quickstart/{name}.parquet"}, model.preprocessing
        )
        for name in ("train", SET)
    ]
    names = np.array(sorted({tag for tags in sets[1].tags for tag in tags}))
    known, wanted = (
        np.array([[name in own for name in names] for own in map(set, one.tags)]) for one in sets
    )
    counts = known.sum(axis=0)
    kept = np.flatnonzero((counts >= at_least) & (wanted.sum(axis=0) >= at_least))
    kept = kept[np.argsort(counts[kept], kind="stable")]
    rows, columns = (np.asarray(model.encode_image_array(one.images), np.float64) for one in sets)
    y = known[:, kept] - known[:, kept].mean(axis=0)
    weights = np.linalg.solve(rows.T @ rows + ridge * np.eye(rows.shape[1]), rows.T @ y)
    scores = columns @ weights
    return {
        str(names[tag]): average_precision(scores[:, place], wanted[:, tag]) for place, tag in enumerate(kept)
    }


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
