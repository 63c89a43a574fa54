"""WinoGAViL (arXiv 2207.12576): cues, and the images that people associate with them among five to twelve candidates.

As it is downloaded: `winogavil_dataset.csv` with the columns cue, candidates and associations (lists as JSON or as
Python writes them), and the images as NAME.jpg in `images` or `winogavil_images` beside it.
"""

from __future__ import annotations

import ast
import csv
import io
import os
from pathlib import Path
from typing import NamedTuple

from input_pipeline.errors import UserError
from input_pipeline.known.layouts import Listed, Missing, read_text
from input_pipeline.records import Record

TABLE = "winogavil_dataset.csv"
IMAGES = ("images", "winogavil_images", "winogavil_images/images")


class Association(NamedTuple):
    """A cue, the candidates, and which of them belong to it, by the names of their images."""

    cue: str
    candidates: tuple[str, ...]
    chosen: tuple[str, ...]


def associations(folder: Path) -> list[Association]:
    """Reads the table.

    Raises:
      Missing: it is not there.
      ValueError: a row that cannot be read; says which.
    """
    file = folder / TABLE
    if not file.is_file():
        raise Missing(str(file))
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(file), newline="")))
    except csv.Error as error:
        raise UserError(f"{file} is no table: {error}") from None
    return [_association(row, f"{file}, row {at}") for at, row in enumerate(rows, 1)]


def _association(row: dict[str, str], where: str) -> Association:
    try:
        candidates, chosen = (_names(row[name]) for name in ("candidates", "associations"))
        cue = row["cue"].strip()
    except (
        KeyError,
        ValueError,
        SyntaxError,
        TypeError,
        AttributeError,
        MemoryError,
        RecursionError,
    ) as error:
        raise UserError(f"{where} needs cue, candidates and associations: {error!r}") from None
    if not cue or not chosen or not set(chosen) <= set(candidates):
        raise UserError(f"{where}: its associations must be some of its candidates, and its cue a word")
    return Association(cue, candidates, chosen)


def _names(text: str) -> tuple[str, ...]:
    return tuple(str(name) for name in ast.literal_eval(text))


class WinoGavil(Listed):
    """The images, each once; a record's id is the name by which candidates call it."""

    def __init__(self, folder: Path) -> None:
        """Lists them; raises Missing where the table or the images are not there."""
        names = list(dict.fromkeys(name for one in associations(folder) for name in one.candidates))
        if not names:
            raise Missing(f"rows of {folder / TABLE}")
        below = next((own for own in IMAGES if os.path.isfile(folder / own / f"{names[0]}.jpg")), "")
        if not below:
            raise Missing(f"{names[0]}.jpg in {' or '.join(str(folder / own) for own in IMAGES)}")
        records = [Record(id=name, image=None) for name in names]
        super().__init__(folder, records, [f"{below}/{name}.jpg" for name in names])
