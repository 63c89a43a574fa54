"""Regions of the picture that `image` shows, as batch fields: boxes, texts and labels, so many an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from input_pipeline.fields import Batch, Shapes
from input_pipeline.label_fields import Vocabulary
from input_pipeline.records import Record, Region
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.image import TrainingView
from input_pipeline.views.regions import placed
from input_pipeline.views.resize import Box
from input_pipeline.visits import Visit


@dataclass(frozen=True)
class ShownRegions:
    """The first regions of a record that a visit's `image` shows.

    Attributes:
      view: of `image`, whose dice these are, too.
      most: of an example.
    """

    view: TrainingView
    most: int

    def __call__(self, visit: Visit) -> list[tuple[Region, Box]]:
        """Returns regions with their boxes in the picture, none of a record without any."""
        if not visit.record.regions:
            return []
        width, height = visit.picture.width, visit.picture.height
        window, mirrored = self.view.window(width, height, visit.image_dice())
        return placed(visit.record.regions, width, height, window, mirrored)[: self.most]


@dataclass(frozen=True)
class RegionBoxes:
    """`region_boxes` float32 [b, most, 4]: left, top, right, bottom in [0, 1], zero behind them, and `region_mask` bool
    [b, most]."""

    regions: ShownRegions

    def shapes(self) -> Shapes:
        most = self.regions.most
        return {
            "region_boxes": ((most, 4), np.dtype(np.float32)),
            "region_mask": ((most,), np.dtype(np.bool_)),
        }

    def show(self, visit: Visit) -> list[Box]:
        return [box for _, box in self.regions(visit)]

    def collate(self, shown: Sequence[list[Box]], batch: Batch) -> None:
        boxes = np.zeros((len(shown), self.regions.most, 4), np.float32)
        for row, own in zip(boxes, shown, strict=True):
            row[: len(own)] = np.array(own, np.float32).reshape(-1, 4)
        batch["region_boxes"] = boxes
        batch["region_mask"] = np.arange(self.regions.most) < np.array([len(own) for own in shown])[:, None]


@dataclass(frozen=True)
class RegionTexts:
    """`region_text` int32 [b, most, length] and `region_text_mask`: what the regions show, and one token alone where it
    is not known."""

    regions: ShownRegions
    tokenizer: Tokenizer

    def shapes(self) -> Shapes:
        shape = (self.regions.most, self.tokenizer.length)
        return {
            "region_text": (shape, np.dtype(np.int32)),
            "region_text_mask": (shape, np.dtype(np.bool_)),
        }

    def show(self, visit: Visit) -> list[str]:
        texts = [region.text for region, _ in self.regions(visit)]
        return texts + [""] * (self.regions.most - len(texts))

    def collate(self, shown: Sequence[list[str]], batch: Batch) -> None:
        texts = [text for own in shown for text in own]
        ids, mask, truncated = self.tokenizer.tokens(texts, [""] * len(texts))
        known = np.array([bool(text) for text in texts])[:, None]
        mask = np.where(known, mask, np.arange(mask.shape[1]) == 0)
        shape = (len(shown), self.regions.most, -1)
        batch["region_text"] = ids.reshape(shape)
        batch["region_text_mask"] = mask.reshape(shape)
        batch["truncated"] |= truncated.reshape(len(shown), -1).any(axis=1)


@dataclass(frozen=True)
class RegionLabels:
    """`region_NAME` int8 [b, most, labels]: of each region what NAME says of an example, and -1 of what is none."""

    regions: ShownRegions
    vocabulary: Vocabulary

    @property
    def _name(self) -> str:
        return f"region_{self.vocabulary.name}"

    def shapes(self) -> Shapes:
        return {self._name: ((self.regions.most, len(self.vocabulary.places)), np.dtype(np.int8))}

    def show(self, visit: Visit) -> np.ndarray:
        states = np.full((self.regions.most, len(self.vocabulary.places)), -1, np.int8)
        for place, (region, _) in enumerate(self.regions(visit)):
            own = Record(visit.record.id, None, tags=region.tags, label=region.label)
            states[place] = self.vocabulary.states(own)
        return states

    def collate(self, shown: Sequence[np.ndarray], batch: Batch) -> None:
        batch[self._name] = np.stack(shown)
