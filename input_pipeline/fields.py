"""The fields a batch may have: what each shows of one visit to a record, and how a batch of that is laid out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from input_pipeline.tables import Table, hash_halves
from input_pipeline.tokenizers import Tokenizer
from input_pipeline.views.frames import Frame, apart
from input_pipeline.views.image import TrainingView
from input_pipeline.views.text import TextView
from input_pipeline.visits import Visit

Batch = dict[str, np.ndarray]
"""The fields asked for, and for the host: index int64 [b]; own int64 [b, 2], the place of the source and the
number of the record that the index stands for; replaced uint8 [b], why another is shown, or 0; truncated bool [b],
whether a text was cut."""

Shapes = dict[str, tuple[tuple[int, ...], np.dtype]]
"""Of arrays by name: the shape without the batch axis, and the type."""

HOST_FIELDS = ("index", "own", "replaced", "truncated")


class Field(Protocol):
    """One thing a batch shows, under one name or two. Picklable and safe for threads."""

    def shapes(self) -> Shapes:
        """Says what its arrays look like, before there is any record."""
        ...

    def show(self, visit: Visit) -> Any:
        """Returns this field's item of a visit.

        Raises:
          BadRecord: the record has none.
        """
        ...

    def collate(self, shown: Sequence[Any], batch: Batch) -> None:
        """Puts the items of a batch into it as arrays."""
        ...


@dataclass(frozen=True)
class Text:
    """`text` int32 [b, length] and `text_mask` bool [b, length]: the caption behind its source's prefix token."""

    tokenizer: Tokenizer
    prefixes: Mapping[str, str]

    def shapes(self) -> Shapes:
        return _text_shapes("text", (self.tokenizer.length,))

    def show(self, visit: Visit) -> tuple[str, str]:
        return visit.text, self.prefixes[visit.source]

    def collate(self, shown: Sequence[tuple[str, str]], batch: Batch) -> None:
        texts, prefixes = zip(*shown, strict=True)
        batch["text"], batch["text_mask"], truncated = self.tokenizer.tokens(texts, prefixes)
        batch["truncated"] |= truncated


@dataclass(frozen=True)
class TextViews:
    """NAME int32 [b, count, length] and NAME_mask: more captions of the record."""

    name: str
    views: Mapping[str, TextView]  # by source
    count: int
    tokenizer: Tokenizer
    prefixes: Mapping[str, str]

    def shapes(self) -> Shapes:
        return _text_shapes(self.name, (self.count, self.tokenizer.length))

    def show(self, visit: Visit) -> list[tuple[str, str]]:
        texts = self.views[visit.source].many(visit.record, visit.roll(self.name), self.count)
        return [(text, self.prefixes[visit.source]) for text in texts]

    def collate(self, shown: Sequence[Sequence[tuple[str, str]]], batch: Batch) -> None:
        texts, prefixes = zip(*(pair for pairs in shown for pair in pairs), strict=True)
        flat = self.tokenizer.tokens(texts, prefixes)
        ids, mask, truncated = (array.reshape(len(shown), self.count, *array.shape[1:]) for array in flat)
        batch[self.name], batch[f"{self.name}_mask"] = ids, mask
        batch["truncated"] |= truncated.any(1)


@dataclass(frozen=True)
class Image:
    """`image` uint8 [b, resolution, resolution, 3]; of images at their own aspect ratio uint8 [b, patches, values, 3],
    padded, and `image_grid` int32 [b, 2], rows and columns of those that are not."""

    view: TrainingView

    def shapes(self) -> Shapes:
        return _image_shapes("image", self.view.frame)

    def show(self, visit: Visit) -> np.ndarray:
        return self.view.of_batch(visit.roll_of_batch)(visit.picture, visit.image_dice())

    def collate(self, shown: Sequence[np.ndarray], batch: Batch) -> None:
        batch |= apart({"image": np.stack(shown)})


@dataclass(frozen=True)
class ImageViews:
    """NAME uint8 [b, count, resolution, resolution, 3], and perhaps NAME_grid: more views of the same picture."""

    name: str
    view: TrainingView
    count: int

    def shapes(self) -> Shapes:
        return _image_shapes(self.name, self.view.frame, self.count)

    def show(self, visit: Visit) -> np.ndarray:
        view, dice = self.view.of_batch(visit.roll_of_batch), visit.roll(self.name)
        return np.stack([view(visit.picture, dice) for _ in range(self.count)])

    def collate(self, shown: Sequence[np.ndarray], batch: Batch) -> None:
        batch |= apart({self.name: np.stack(shown)})


@dataclass(frozen=True)
class Identity:
    """NAME int32 [b, 2]: a 64-bit hash of what says that two examples are the same; see IDENTITIES."""

    name: str

    def shapes(self) -> Shapes:
        return {self.name: ((2,), np.dtype(np.int32))}

    def show(self, visit: Visit) -> str:
        return IDENTITIES[self.name](visit)

    def collate(self, shown: Sequence[str], batch: Batch) -> None:
        batch[self.name] = hash_halves(shown)


IDENTITIES: Mapping[str, Callable[[Visit], str]] = {
    "text_id": lambda visit: visit.text,
    "label_id": lambda visit: visit.record.label if visit.means_label else visit.text,
    "record_id": lambda visit: f"{visit.source}\0{visit.record.id}",
    "group_id": lambda visit: visit.record.group or f"{visit.source}\0{visit.record.id}",
}


@dataclass(frozen=True)
class SourceId:
    """`source_id` int32 [b]: the place of the source among the sorted names of those in use."""

    places: Mapping[str, int]

    def shapes(self) -> Shapes:
        return {"source_id": ((), np.dtype(np.int32))}

    def show(self, visit: Visit) -> int:
        return self.places[visit.source]

    def collate(self, shown: Sequence[int], batch: Batch) -> None:
        batch["source_id"] = np.array(shown, np.int32)


@dataclass(frozen=True)
class RecordNumber:
    """`record_number` int32 [b]: of the record that is shown, counted through all sources in use by their names."""

    first: Mapping[str, int]  # by source

    def shapes(self) -> Shapes:
        return {"record_number": ((), np.dtype(np.int32))}

    def show(self, visit: Visit) -> int:
        return self.first[visit.source] + visit.number

    def collate(self, shown: Sequence[int], batch: Batch) -> None:
        batch["record_number"] = np.array(shown, np.int32)


def whole_record(visit: Visit) -> Sequence[str]:
    """Returns what a table is asked for whose values are of records, whatever of these is shown."""
    del visit
    return ("",)


@dataclass(frozen=True)
class TableValue:
    """NAME int32 or float32 [b] or [b, n]: what a side table says of the record, or of what is shown of it.

    Attributes:
      table: values by id and, perhaps, by what else they are of.
      shown: what of a record is shown, for a table of that; '' of one whose values are of whole records.
      count: texts of the view that the values are of, [b, count, n]; 0 = they are of one thing.
    """

    table: Table
    shown: Callable[[Visit], Sequence[str]] = whole_record
    count: int = 0

    def shapes(self) -> Shapes:
        values, several = self.table.values, (self.count,) if self.count else ()
        return {self.table.name: ((*several, *values.shape[1:]), values.dtype)}

    def show(self, visit: Visit) -> np.ndarray:
        found = [self.table.of(visit.source, visit.record.id, shown) for shown in self.shown(visit)]
        return np.stack(found) if self.count else found[0]

    def collate(self, shown: Sequence[np.ndarray], batch: Batch) -> None:
        batch[self.table.name] = np.stack(shown)


def _image_shapes(name: str, frame: Frame, *count: int) -> Shapes:
    arrays = apart({name: np.zeros(count, frame.dtype)})
    return {own: (array.shape, array.dtype) for own, array in arrays.items()}


def _text_shapes(name: str, shape: tuple[int, ...]) -> Shapes:
    return {name: (shape, np.dtype(np.int32)), f"{name}_mask": (shape, np.dtype(np.bool_))}
