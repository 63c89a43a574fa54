"""What --job=embed left, in the place of a model and its evaluation sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Float32

from input_pipeline.errors import UserError
from input_pipeline.records import Region
from vlp.embeddings.store import Embeddings


@dataclass(frozen=True, eq=False)
class DumpedSet:
    """An evaluation set whose images are their embeddings; `rows_of_texts` are those of all captions.

    Captions in other languages are not kept.
    """

    images: Float32[np.ndarray, "n dim"]
    ids: list[str]
    captions: list[list[str]]
    labels: list[str]
    tags: list[list[str]]
    groups: list[str]
    rows_of_texts: Mapping[str, Float32[np.ndarray, " dim"]]

    @property
    def slices(self) -> Mapping[str, list[str]]:
        return {}

    @property
    def translations(self) -> Mapping[str, list[list[str]]]:
        return {}

    @property
    def regions(self) -> tuple[tuple[Region, ...], ...]:
        return ((),) * len(self.ids)

    @property
    def masks(self) -> None:
        return None

    @property
    def classes(self) -> tuple[str, ...]:
        return ()


class DumpedSets(Mapping[str, DumpedSet]):
    """The sets of a folder by name, each read when it is first asked for; and the encoder that looks rows up in it."""

    def __init__(self, folder: Path) -> None:
        """Reads the index.

        Raises:
          ValueError: there is none, or it is of views, of which no set is made.
        """
        if not (folder / "index.json").exists():
            raise UserError(
                f"{folder} has no index.json, which --job=embed leaves when all shards are there: run it to its end. "
                "To evaluate a checkpoint on the data that lie there, add --checkpoint=RUN"
            )
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        if views := index.get("views"):
            raise UserError(
                f"{folder} holds {views} training views of each image, and evaluators see another: embed the data with "
                "--config.embed.views=0 into another --output"
            )
        self.folder, self._parts = folder, index["parts"]
        self._names = [part.removesuffix("/image") for part in self._parts if part.endswith("/image")]
        self._loaded: dict[str, DumpedSet] = {}
        self.checkpoint: str = index["checkpoint"]

    @property
    def skipped(self) -> dict[str, dict[str, int]]:
        """Returns how many records were left out, by reason, of each set that was read and is not whole."""
        found = {name: self._parts[f"{name}/image"]["skipped"] for name in self._loaded}
        return {name: counts for name, counts in found.items() if counts}

    @property
    def sizes(self) -> dict[str, int]:
        """Returns how many images each set has that was read."""
        return {name: len(one.ids) for name, one in self._loaded.items()}

    @property
    def origins(self) -> dict[str, dict[str, str]]:
        """Returns where each set lies that was read."""
        return {name: self.origin(name) for name in self._loaded}

    def origin(self, name: str) -> dict[str, str]:
        """Returns where a set lies."""
        return {"format": "embeddings", "path": str(self.folder / name)}

    def __getitem__(self, name: str) -> DumpedSet:
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _load(self, name: str) -> DumpedSet:
        images = Embeddings(self.folder / name / "image")
        notes = images.notes()
        captions: dict[int, list[str]] = {record: [] for record in notes.records}
        rows_of_texts: dict[str, np.ndarray] = {}
        if f"{name}/text" in self._parts:
            texts = Embeddings(self.folder / name / "text")
            of_texts = texts.notes()
            for record, text, row in zip(of_texts.records, of_texts.texts, texts[:], strict=True):
                captions.setdefault(record, []).append(text)
                rows_of_texts.setdefault(text, row)
        own = [captions[record] for record in notes.records]
        return DumpedSet(images[:], notes.ids, own, notes.labels, notes.tags, notes.groups, rows_of_texts)

    def encode_image_array(self, images: Float32[np.ndarray, "n dim"]) -> Float32[np.ndarray, "n dim"]:
        """Returns the images as they are: those of these sets are embeddings already."""
        return images

    def encode_patch_array(self, images: np.ndarray) -> np.ndarray:
        """Raises ValueError: patches are not there."""
        raise self._lacks("patches")

    def pixels(self) -> NoReturn:
        """Raises ValueError: pixels are not there."""
        raise self._lacks("pixels")

    def scorer(self, name: str = "") -> NoReturn:
        """Raises ValueError: what scores images is not there."""
        raise self._lacks(f"scorer '{name}'")

    def composer(self, name: str) -> NoReturn:
        """Raises ValueError: what searches for an image and a text together is not there."""
        raise self._lacks(f"composer '{name}'")

    def captioner(self, name: str = "writer", beams: int = 1) -> NoReturn:
        """Raises ValueError: what writes about images is not there."""
        del beams
        raise self._lacks(f"captioner '{name}'")

    def _lacks(self, what: str) -> UserError:
        return UserError(f"{self.folder} holds no {what}: evaluate the checkpoint itself, with --checkpoint")

    def encode_text(self, texts: Sequence[str], *, prefix: str = "") -> Float32[np.ndarray, "n dim"]:
        """Returns the rows of captions of these sets.

        Raises:
          ValueError: a text that is none, such as a prompt, or one behind a prefix token.
        """
        known = {text: row for name in self for text, row in self[name].rows_of_texts.items()}
        missing = next((text for text in texts if prefix or text not in known), None)
        if missing is not None:
            raise UserError(
                f"{self.folder} holds no embedding of the text '{missing}': captions are there with "
                "--config.embed.feature=both; for prompts evaluate the checkpoint itself, with --checkpoint"
            )
        return np.stack([known[text] for text in texts])
