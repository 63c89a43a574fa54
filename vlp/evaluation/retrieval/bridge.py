"""How much of a text space lies in images already: retrieval behind one linear map (LiMBeR)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import Ridge

from input_pipeline.errors import UserError
from vlp.checkpoint import find_checkpoint
from vlp.evaluation.cache import RememberingEncoder
from vlp.evaluation.protocols import Encoder, OnSets, Rows
from vlp.evaluation.retrieval.captions import retrieval_chance, retrieval_figures
from vlp.evaluation.retrieval.galleries import Gallery, whole_gallery

BLOCK = 256  # images whose patches exist at a time


@dataclass(frozen=True)
class LinearBridge(OnSets):
    """Retrieval of captions and images where a ridge map brings image embeddings to those of their captions.

    Nothing but the map is fitted, on training sets, in closed form. LiMBeR (Merullo et al. 2023, arXiv 2209.15162) maps
    patches into the input of a language model, and asks it for captions; there is none here, so that the question is
    asked of a text tower.

    Attributes:
        train_sets: what the map is fitted on.
        k: ranks up to which a hit counts.
        penalty: of the map's squared weights.
        texts: checkpoint whose text tower makes the space; '' = the evaluated model's own.
        features: what is mapped of an image: 'image', its embedding, or 'patches', the mean of those of its patches.
    """

    train_sets: tuple[str, ...]
    k: tuple[int, ...]
    penalty: float
    texts: str
    features: str

    def __post_init__(self) -> None:
        try:
            if self.texts:
                find_checkpoint(self.texts)
        except UserError as error:
            raise UserError(f"evaluators.{self.name}.texts: {error}") from None

    @classmethod
    def towers(cls, settings: Mapping[str, Any]) -> frozenset[str]:
        return frozenset({"image"}) if settings.get("texts") else cls.reads

    def check(self) -> None:
        for name in (*self.sets, *self.train_sets):
            self._gallery(name)

    def __call__(self, model: Encoder) -> dict[str, float]:
        parts = [self._pairs(model, name) for name in self.train_sets]
        rows, targets = (np.concatenate(side) for side in zip(*parts, strict=True))
        bridge = Ridge(alpha=self.penalty).fit(rows.astype(np.float64), targets.astype(np.float64))
        figures: dict[str, float] = {}
        for name in self.sets:
            whole = self._gallery(name)
            mapped = bridge.predict(self._images(model, name))
            mapped /= np.linalg.norm(mapped, axis=1, keepdims=True)
            texts = self._texts(model).encode_text(whole.texts)
            found = retrieval_figures(mapped.astype(np.float32), texts, whole.pairs, self.k)
            figures |= {f"{self.name}/{name}/{figure}": value for figure, value in found.items()}
        return figures

    def chance(self) -> dict[str, float]:
        """Returns what a map that knows nothing would reach."""
        chance: dict[str, float] = {}
        for name in self.sets:
            whole = self._gallery(name)
            found = retrieval_chance(whole.pairs, len(whole.rows), len(whole.texts), self.k)
            chance |= {f"{self.name}/{name}/{figure}": value for figure, value in found.items()}
        return chance

    def _images(self, model: Encoder, name: str) -> Float[np.ndarray, "images dim"]:
        images = self.data[name].images
        if self.features == "image":
            return model.encode_image_array(images)
        starts = range(0, len(images), BLOCK)
        return np.concatenate([_means(model.encode_patch_array(images[at : at + BLOCK])) for at in starts])

    def _pairs(
        self, model: Encoder, name: str
    ) -> tuple[Float[np.ndarray, "pairs dim"], Float[np.ndarray, "pairs dim"]]:
        whole = self._gallery(name)
        images = self._images(model, name)
        texts = self._texts(model).encode_text(whole.texts)
        return images[whole.pairs[:, 0]], texts[whole.pairs[:, 1]]

    def _gallery(self, name: str) -> Gallery:
        return whole_gallery(name, self.data[name])

    def _texts(self, model: Encoder) -> Encoder:
        return self._space or model

    @cached_property
    def _space(self) -> Encoder | None:
        if not self.texts:
            return None
        from vlp.loading import load

        return RememberingEncoder(load(self.texts))


def _means(maps: Rows) -> Float[np.ndarray, "images dim"]:
    """The mean over the patches of each image, whose grids may differ."""
    return np.stack([own.reshape(-1, own.shape[-1]).mean(axis=0) for own in maps])
