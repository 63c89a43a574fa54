"""Score maps against masks: classes of pixels, as PASCAL VOC, Context and ADE20K count them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float64, UInt8

from input_pipeline.errors import UserError
from vlp.evaluation.cache import LatestModel
from vlp.evaluation.dense.box_maps import ious
from vlp.evaluation.dense.figures import Areas, areas
from vlp.evaluation.exhibits import Bars, Exhibit, ScoreMap, ScoreMaps
from vlp.evaluation.protocols import Encoder, OnSets
from vlp.evaluation.texts.prompt_sets import fill, load_prompt_set

SHOWN, UNKNOWN, AT_A_TIME = 6, 255, 32


@dataclass(frozen=True)
class PixelMaps(OnSets):
    """Mean IoU over classes, without and with background, and the share of pixels that are right.

    Attributes:
        scorer: part of the model whose maps count; '' = cosines of patches.
        background: a pixel whose best score is below the picture's mean and so many deviations is background.
        templates: prompt set that names are written into.
        prefix_token: before every text.
    """

    scorer: str
    background: float
    templates: str
    prefix_token: str

    def __post_init__(self) -> None:
        load_prompt_set(self.templates)

    def __call__(self, model: Encoder) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name in self.sets:
            plain, whole = self._areas(model, name)
            there = plain.real > 0
            own = {
                "mean_iou": float(ious(plain)[there].mean()),
                "pixel_accuracy": float(plain.both.sum() / plain.real.sum()),
                "mean_iou_with_background": float(ious(whole)[whole.real > 0].mean()),
            }
            figures |= {f"{self.name}/{name}/{figure}": value for figure, value in own.items()}
        return figures

    def chance(self) -> dict[str, float]:
        """Returns the figures of pixels that score at random: of IoU, the ratio of the expected areas."""
        chance: dict[str, float] = {}
        for name in self.sets:
            masks, kinds = self._masks[name], len(self.data[name].classes)
            real = np.bincount(masks.reshape(-1), minlength=256)[1 : kinds + 1].astype(np.float64)
            if not real.any():
                raise UserError(f"the masks of evaluation set {name!r} have none of its {kinds} classes")
            said = Areas(real / kinds, np.full(kinds, real.sum() / kinds), real)
            chance[f"{self.name}/{name}/mean_iou"] = float(ious(said)[real > 0].mean())
            chance[f"{self.name}/{name}/pixel_accuracy"] = 1 / kinds
        return chance

    def exhibits(self, model: Encoder) -> Iterable[Exhibit]:
        for name in self.sets:
            plain, _ = self._areas(model, name)
            there, classes = plain.real > 0, self.data[name].classes
            own = [one for one, is_there in zip(classes, there, strict=True) if is_there]
            yield Bars(f"IoU of classes in {name}", own, ious(plain)[there], plain.real[there].astype(int))
            pictures = self.data[name].images[:SHOWN]
            shown = [
                ScoreMap(picture, classes[number - 1], maps[number - 1])
                for picture, maps, mask in zip(
                    pictures, self._maps(model, name, pictures), self._masks[name], strict=False
                )
                for number in np.unique(mask)
                if 0 < number <= len(classes)
            ]
            yield ScoreMaps(f"Where names fit pictures of {name}", shown)

    def _areas(self, model: Encoder, name: str) -> tuple[Areas, Areas]:
        return self._found.once(model, name, functools.partial(self._measured, model, name))

    def _measured(self, model: Encoder, name: str) -> tuple[Areas, Areas]:
        images, masks, kinds = self.data[name].images, self._masks[name], len(self.data[name].classes)
        plain, whole = [], []
        for first in range(0, len(images), AT_A_TIME):
            block = images[first : first + AT_A_TIME]
            for maps, mask in zip(
                self._maps(model, name, block), masks[first : first + AT_A_TIME], strict=True
            ):
                scores = enlarged(maps, mask.shape[0]).reshape(kinds, -1)
                said, real = scores.argmax(axis=0), mask.reshape(-1).astype(np.int64)
                known = np.where((real == UNKNOWN) | (real > kinds), -1, real - 1)
                plain.append(areas(said, known, kinds))
                low = scores.max(axis=0) < scores.mean() + self.background * scores.std()
                with_none = np.where(real == 0, kinds, known)
                whole.append(areas(np.where(low, kinds, said), with_none, kinds + 1))
        return _total(plain), _total(whole)

    def _maps(
        self, model: Encoder, name: str, images: UInt8[np.ndarray, "n h w 3"]
    ) -> Iterator[Float64[np.ndarray, "classes rows columns"]]:
        templates, classes = load_prompt_set(self.templates), self.data[name].classes
        texts = [fill(template, one) for one in classes for template in templates]
        for maps in model.scorer(self.scorer).maps(images, texts, prefix=self.prefix_token):
            yield maps.astype(np.float64).reshape(len(classes), -1, *maps.shape[1:]).mean(axis=1)

    @cached_property
    def _found(self) -> LatestModel:
        return LatestModel()

    @cached_property
    def _masks(self) -> dict[str, UInt8[np.ndarray, "n h w"]]:
        masks = {}
        for name in self.sets:
            own = self.data[name].masks
            if own is None:
                raise UserError(
                    f"evaluation set {name!r} has no masks: name a known set that has, as voc, pascal_context or ade20k"
                )
            masks[name] = own
        return masks


def enlarged(
    maps: Float[np.ndarray, "classes rows columns"], side: int
) -> Float64[np.ndarray, "classes side side"]:
    """Returns maps at another size, linear between the middles of their cells."""
    down, across = (_weights(count, side) for count in maps.shape[1:])
    found: Float64[np.ndarray, "classes side side"] = down @ maps.astype(np.float64) @ across.T
    return found


def _weights(cells: int, side: int) -> Float64[np.ndarray, "side cells"]:
    places = np.clip((np.arange(side) + 0.5) / side * cells - 0.5, 0, cells - 1)
    return np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(cells)))


def _total(found: list[Areas]) -> Areas:
    return Areas(*(np.sum(one, axis=0) for one in zip(*found, strict=True)))
