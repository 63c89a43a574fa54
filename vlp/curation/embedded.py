"""What --job=embed left, as steps look it up: images by source and id, texts by themselves."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from input_pipeline.curation import Decision, Item, Step
from input_pipeline.errors import UserError
from input_pipeline.sources.paths import find_folder
from input_pipeline.tables import hash64
from vlp.embeddings.store import FORMATS, read_shard

# What records are dropped for that cannot be scored.
NO_IMAGE, NO_TEXT, REPEATED = "no image embedding", "no text embedding", "id of several images"
_PLACES = 40  # bits of an image's number that say where in its source it is
_SAME = 1e-3  # of embeddings of one image in two batches


class Lookup:
    """Rows found by 64-bit hashes of their names: 16 bytes a row in memory, and those of .npy shards stay on disk."""

    def __init__(self, folders: Sequence[Path], field: str) -> None:
        """Reads the names, a shard at a time.

        Args:
          folders: of shards.
          field: of `Notes` that names a row: 'ids' or 'texts'. Of rows of one name that are alike the first counts; of
            others none does.
        """
        self._shards: list[Float32[np.ndarray, "n dim"]] = []
        hashes, places = [np.zeros(0, np.uint64)], [np.zeros((0, 2), np.int32)]
        for path in (path for folder in folders for path in _shards(folder)):
            rows, notes = read_shard(path)
            names = getattr(notes, field)
            hashes.append(np.fromiter(map(hash64, names), np.uint64, len(names)))
            places.append(np.stack([np.full(len(names), len(self._shards)), np.arange(len(names))], 1))
            self._shards.append(rows)
        every = np.concatenate(hashes)
        order = np.argsort(every, kind="stable")
        self._hashes, self._places = every[order], np.concatenate(places).astype(np.int32)[order]
        self.ambiguous = self._unlike()

    def __len__(self) -> int:
        return len(self._hashes)

    def get(self, name: str) -> Float32[np.ndarray, " dim"] | None:
        """Returns the row of a name; None where there is none."""
        place = self.place(name)
        return None if place is None else self._row(place)

    def place(self, name: str) -> int | None:
        """Returns where `rows` finds the row of a name; None where there is none."""
        wanted = np.uint64(hash64(name))
        place = int(self._hashes.searchsorted(wanted))
        if place == len(self._hashes) or self._hashes[place] != wanted or int(wanted) in self.ambiguous:
            return None
        return place

    def rows(self, places: Int[np.ndarray, " n"]) -> Float32[np.ndarray, "n dim"]:
        """Returns rows by their places, in that order; a shard is opened once."""
        shards, own = self._places[places].T
        found = np.empty((len(places), self._shards[0].shape[1]), np.float32)
        for shard in np.unique(shards).tolist():
            of = np.flatnonzero(shards == shard)
            found[of] = self._shards[shard][own[of]]
        return found

    def _row(self, place: int) -> Float32[np.ndarray, " dim"]:
        shard, row = self._places[place].tolist()
        return np.asarray(self._shards[shard][row])

    def _unlike(self) -> frozenset[int]:
        """The hashes of names whose rows are not alike: which of them is meant, nobody can say."""
        again = np.flatnonzero(self._hashes[1:] == self._hashes[:-1])
        return frozenset(
            int(self._hashes[place])
            for place in again.tolist()
            if not np.allclose(self._row(place), self._row(place + 1), atol=_SAME)
        )

    def chunks(self, size: int) -> Iterator[Float32[np.ndarray, "n dim"]]:
        """Yields all rows, so many at a time or fewer."""
        for shard in self._shards:
            for first in range(0, len(shard), size):
                yield np.asarray(shard[first : first + size])


class Embedded:
    """A folder that --job=embed has filled.

    Attributes:
      checkpoint: digest of the checkpoint that made the embeddings.
      digest: of all that the folder says about itself.
    """

    def __init__(self, path: str) -> None:
        """Reads the index.

        Raises:
          ValueError: there is no folder, or none that is complete.
        """
        self.folder = find_folder(path)
        file = self.folder / "index.json"
        if not file.is_file():
            raise UserError(
                f"{self.folder} has no index.json, which --job=embed leaves when all shards are there: run it to its "
                "end, with the config of this curation"
            )
        content = file.read_bytes()
        index: dict[str, Any] = json.loads(content)
        self.checkpoint, self._parts = str(index["checkpoint"]), list(index["parts"])
        self._images: dict[str, Lookup] = {}
        self.digest = hashlib.sha256(content).hexdigest()[:16]

    @functools.cached_property
    def texts(self) -> Lookup:
        """All texts, of whatever records they are.

        Raises:
          ValueError: there are none.
        """
        folders = [self.folder / part for part in self._parts if part.endswith("/text")]
        if not folders:
            raise UserError(
                f"{self.folder} holds no embeddings of texts: run --job=embed with the config of this curation and "
                "--config.embed.feature=both"
            )
        return Lookup(folders, "texts")

    def images(self, source: str) -> Lookup:
        """Returns the images of a source, by id.

        Raises:
          ValueError: there are none.
        """
        part = f"{source}/image"
        if part not in self._parts:
            raise UserError(
                f"{self.folder} holds no embeddings of the images of source '{source}', only {', '.join(self._parts)}: "
                "run --job=embed with the config of this curation, into another folder"
            )
        if source not in self._images:
            self._images[source] = Lookup([self.folder / part], "ids")
        return self._images[source]

    def image_number(self, source: str, identifier: str) -> int | None:
        """Returns where `image_rows` finds the image of a record; None where it has none."""
        place = self.images(source).place(identifier)
        return None if place is None else self._parts.index(f"{source}/image") << _PLACES | place

    def image_rows(self, numbers: Int[np.ndarray, " n"]) -> Float32[np.ndarray, "n dim"]:
        """Returns images of any sources by their numbers, in that order."""
        parts, order = [], []
        for part in np.unique(numbers >> _PLACES).tolist():
            of = np.flatnonzero(numbers >> _PLACES == part)
            lookup = self.images(self._parts[part].removesuffix("/image"))
            parts.append(lookup.rows(numbers[of] & ((1 << _PLACES) - 1)))
            order.append(of)
        return np.concatenate(parts)[np.argsort(np.concatenate(order))]


def open_embedded(path: str) -> Embedded:
    """Returns the folder at a path; opened once in a process, and again where it was written anew.

    Raises:
      ValueError: there is none, or none that is complete.
    """
    index = find_folder(path) / "index.json"
    found = index.stat() if index.is_file() else None
    return _opened(path, (found.st_ino, found.st_mtime_ns, found.st_size) if found else ())


@functools.lru_cache(8)
def _opened(path: str, version: tuple[int, ...]) -> Embedded:
    del version
    return Embedded(path)


class EmbeddedStep(Step):
    """A step that scores images and texts by their embeddings."""

    @property
    def embedded(self) -> Embedded:
        """The folder, opened when the first asks for it.

        Raises:
          ValueError: none is named, or it cannot be opened.
        """
        if not self.config["embeddings"]:
            raise UserError(
                f"curation.{self.name} goes by embeddings: run --job=embed with this config, and say where they are as "
                "--config.curate.embeddings=FOLDER"
            )
        return open_embedded(self.config["embeddings"])

    @property
    def by(self) -> str:
        """Who chose a text: this step, by which checkpoint."""
        return f"{self.name} by {self.embedded.checkpoint[:16]}"

    def given(self) -> Any:
        """Returns digests of the embeddings and of the texts that they have to hold."""
        texts = hash64("\n".join(self.texts()))
        return {"embeddings": self.embedded.digest, "texts": f"{texts:016x}"}

    def check_fits(self, source: str, ids: Sequence[str]) -> None:
        """Refuses embeddings of other records, and those without the texts that the step asks for."""
        images = self.embedded.images(source)
        if ids and all(images.get(identifier) is None for identifier in ids):
            raise UserError(
                f"{self.embedded.folder} holds embeddings of another source '{source}': none of {len(ids)} records "
                f"looked at is there, such as '{ids[0]}'"
            )
        missing = next((text for text in self.texts() if self.embedded.texts.get(text) is None), None)
        if missing is not None:
            raise UserError(
                f"{self.embedded.folder} holds no embedding of the text '{missing}', which curation.{self.name} asks "
                "for: run --job=embed with the config of this curation, into another folder"
            )

    def image_of(self, item: Item) -> Float32[np.ndarray, " dim"] | None:
        """Returns the row of a record's image; None where it has none."""
        return self.embedded.images(item.source).get(item.record.id)

    def without_image(self, item: Item) -> Decision:
        """Returns why a record has no row."""
        known = self.embedded.images(item.source).ambiguous
        return Decision(REPEATED if hash64(item.record.id) in known else NO_IMAGE)

    def scored(self, image: Float32[np.ndarray, " dim"], texts: Iterable[str]) -> Mapping[str, float]:
        """Returns the cosine of an image and each of those texts that have an embedding."""
        rows = {text: row for text in texts if (row := self.embedded.texts.get(text)) is not None}
        if not rows:
            return {}
        values = cosines(image, np.stack(list(rows.values())))
        return dict(zip(rows, values.tolist(), strict=True))


def cosines(
    image: Float32[np.ndarray, " dim"], texts: Float32[np.ndarray, "n dim"]
) -> Float[np.ndarray, " n"]:
    """Returns the cosines of unit rows as float32, summed in float64 so that no order of sums shows."""
    return (texts.astype(np.float64) @ image.astype(np.float64)).astype(np.float32)


def ranked(scores: Mapping[str, float]) -> list[str]:
    """Returns the texts, the best first; of equals the first first."""
    return sorted(scores, key=lambda text: -scores[text])


def _shards(folder: Path) -> list[Path]:
    return sorted(path for form in FORMATS for path in folder.glob(f"*.{form}"))
