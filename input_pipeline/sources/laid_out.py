"""Texts as pictures: each feature of a text's embedding is a grey cell, at a place of its own that never changes.

The path is `texts=FOLDER,layout=FOLDER`, both of them features that `--job=embed` left with `embed.feature=text`, such
as `runs/embedded/test/text`. Where a feature stands, and what is black and white, is decided by the texts of the
layout's folder alone, so train and test are laid out alike: features that go together lie together, by their places on
the first two principal axes, each moved to a free cell of a square grid so that all of them move as little as possible.
A place has one feature, so nothing of the embedding is lost but its last digits. arXiv 2106.12479, whose layout is a
t-SNE's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.optimize import linear_sum_assignment

from input_pipeline.errors import UserError
from input_pipeline.records import Caption, Record
from input_pipeline.sources.fractals import ppm
from input_pipeline.sources.paths import here

FORMATS = {"laid_out": "LaidOutSource"}
NAMED = True

CELL = 4  # pixels of a side
MOST = 2048  # texts that the layout is made from
RANGE = 2.5  # standard deviations from black to white, either way


class LaidOutSource:
    """A record for each text, with the labels and tags of what it is a text of."""

    def __init__(self, path: str, columns: Mapping[str, str] | None = None) -> None:
        """Opens the embeddings.

        Args:
          path: see above.
          columns: none: what is there is known.

        Raises:
          ValueError: a folder without embeddings of texts, or two of different sizes.
        """
        if columns:
            raise UserError(f"laid_out: what it has is known; leave columns={dict(columns)} empty")
        said = dict(part.strip().partition("=")[::2] for part in path.split(","))
        if said.keys() != {"texts", "layout"}:
            raise UserError(f"laid_out: its path is 'texts=FOLDER,layout=FOLDER', not '{path}'")
        self._shards = [_Shard(file) for file in _files(said["texts"])]
        self._ends = np.cumsum([len(shard) for shard in self._shards])
        rows = np.concatenate([np.load(file, mmap_mode="r")[:MOST] for file in _files(said["layout"])])[:MOST]
        if rows.shape[1] != self._shards[0].rows.shape[1]:
            raise UserError(
                f"{said['layout']} has {rows.shape[1]} features, {said['texts']} {self._shards[0].rows.shape[1]}: "
                "embed both by one checkpoint"
            )
        self._mean, self._deviation = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-8)
        self._places = layout((rows - self._mean) / self._deviation)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        number = int(np.searchsorted(self._ends, index, side="right"))
        shard = self._shards[number]
        at = index - (int(self._ends[number]) - len(shard))
        values = (shard.rows[at] - self._mean) / self._deviation
        text = shard.notes["texts"][at]
        return Record(
            id=f"{shard.notes['ids'][at]}/{index}",
            image=ppm(painted(values, self._places)),
            captions=(Caption(text, "laid out", "en"),) if text else (),
            tags=tuple(shard.notes["tags"][at]),
            label=shard.notes["labels"][at],
        )


class _Shard:
    """Rows on disk, and what is known of each."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.rows = np.load(file, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def notes(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = json.loads(self._file.with_suffix(".json").read_text(encoding="utf-8"))
        return found


def layout(rows: Float[np.ndarray, "n dim"]) -> Int[np.ndarray, " dim"]:
    """Returns the cell of each feature, in a square grid counted row by row; no cell has two."""
    dim = rows.shape[1]
    side = _side(dim)
    correlated = rows.T @ rows / len(rows)
    spread, axes = np.linalg.eigh(correlated)
    wanted = axes[:, [-1, -2]] * np.sqrt(np.maximum(spread[[-1, -2]], 0))
    # By rank along each axis, so that the crowded middle has as much room as the rest.
    ranks = (
        wanted.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable") * (side - 1) / max(1, dim - 1)
    )
    cells = np.stack(np.divmod(np.arange(side * side), side), axis=1)
    far = ((ranks[:, None] - cells[None]) ** 2).sum(axis=2)
    return np.asarray(linear_sum_assignment(far)[1])


def painted(
    values: Float[np.ndarray, " dim"], places: Int[np.ndarray, " dim"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns a grey picture of standardised values; cells without a feature are in the middle."""
    side = _side(len(values))
    grid = np.full(side * side, 0.5)
    grid[places] = np.clip(0.5 + np.asarray(values) / (2 * RANGE), 0, 1)
    grey = np.rint(255 * grid.reshape(side, side)).astype(np.uint8)
    return np.repeat(np.kron(grey, np.ones((CELL, CELL), np.uint8))[:, :, None], 3, axis=2)


def _side(dim: int) -> int:
    return int(np.ceil(np.sqrt(dim)))


def _files(folder: str) -> list[Path]:
    found = sorted(here(folder).glob("*.npy"))
    if not found:
        raise UserError(
            f"{folder} holds no embeddings: --job=embed --config.embed.feature=text leaves them in OUTPUT/SET/text"
        )
    return found
