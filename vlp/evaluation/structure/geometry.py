"""How unit embeddings of images and of texts lie: apart, near their partners, spread over the sphere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from input_pipeline.errors import UserError
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.retrieval.galleries import Gallery, gallery


def modality_gap(images: Float[np.ndarray, "n dim"], texts: Float[np.ndarray, "m dim"]) -> float:
    """Returns the distance between the means of unit rows (Liang et al. 2022, arXiv 2203.02053, section 4.2): from 0 to
    2."""
    return float(np.linalg.norm(images.mean(axis=0, dtype=np.float64) - texts.mean(axis=0, dtype=np.float64)))


def alignment(
    images: Float[np.ndarray, "n dim"], texts: Float[np.ndarray, "m dim"], pairs: Int[np.ndarray, "p 2"]
) -> float:
    """Returns the mean squared distance of (image, text) pairs of unit rows, 0 to 4 (Wang & Isola, 2005.10242)."""
    differences = images[pairs[:, 0]].astype(np.float64) - texts[pairs[:, 1]]
    return float((differences**2).sum(axis=1).mean())


def uniformity(rows: Float[np.ndarray, "n dim"], *, t: float = 2.0, block_size: int = 1024) -> float:
    """Returns the logarithm of the mean of exp(-t d^2) over all pairs of different rows, d their distance (Wang & Isola
    2020).

    From -4 t at most, which no finite number of rows reaches, to 0 where all rows are the same.

    Raises:
      ValueError: fewer than two rows.
    """
    if len(rows) < 2:
        raise UserError(f"uniformity is about pairs, and there is {len(rows)} row")
    exact, total = rows.astype(np.float64), 0.0
    squares = (exact**2).sum(axis=1)
    for start in range(0, len(rows), block_size):
        block = slice(start, start + block_size)
        distances = squares[block, None] + squares - 2 * exact[block] @ exact.T
        total += np.exp(-t * np.maximum(distances, 0)).sum()
    return float(np.log((total - len(rows)) / (len(rows) * (len(rows) - 1))))


@dataclass(frozen=True)
class Geometry(OnSets):
    """Modality gap, alignment and uniformity of a set's images that have captions, and of their distinct captions."""

    def check(self) -> None:
        for name in self.sets:
            self._gallery(name)

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            whole = self._gallery(name)
            images = model.encode_image_array(self.data[name].images)
            texts = model.encode_text(whole.texts)
            captioned = images[np.unique(whole.pairs[:, 0])]
            found = {
                "modality_gap": modality_gap(captioned, texts),
                "alignment": alignment(images, texts, whole.pairs),
                "uniformity/image": uniformity(captioned),
                "uniformity/text": uniformity(texts),
            }
            figures |= {f"{self.name}/{name}/{figure}": value for figure, value in found.items()}
        return figures

    def chance(self) -> dict[str, float]:
        """Returns nothing: these figures are not better or worse than a guess."""
        return {}

    def _gallery(self, name: str) -> Gallery:
        whole = gallery(self.data[name].captions)
        if len(whole.texts) < 2 or len(np.unique(whole.pairs[:, 0])) < 2:
            raise UserError(
                f"evaluation set {name!r} has {len(whole.texts)} captions: take it out of {self.name}.sets, which need "
                "two images with captions"
            )
        return whole
