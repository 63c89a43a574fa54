"""Sets of captioned images as their authors publish them: long captions, and captions in many languages."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from input_pipeline.decode import MAX_PIXELS, open_picture
from input_pipeline.errors import UserError
from input_pipeline.known.layouts import (
    Listed,
    Missing,
    entries_of,
    image_names,
    read_json,
    read_text,
    value_of,
)
from input_pipeline.records import BadRecord, Caption, Reason, Record, clean_text
from input_pipeline.sources.paths import read_beside

SHARED = 1000  # records of ShareGPT4V that Long-CLIP retrieves in: the first


class Docci(Listed):
    """DOCCI (arXiv 2404.19753): `docci_descriptions.jsonlines` and `images`."""

    def __init__(self, folder: Path, split: str) -> None:
        """Reads the descriptions; raises Missing where they or the images are not there."""
        file = _there(folder / "docci_descriptions.jsonlines")
        lines = enumerate(read_text(file).splitlines(), 1)
        entries = [(read_json(file, line, at), f"{file}, line {at}") for at, line in lines if line.strip()]
        chosen = [(entry, where) for entry, where in entries if value_of(entry, "split", str, where) == split]
        files = [f"images/{value_of(entry, 'image_file', str, where)}" for entry, where in chosen]
        texts = [value_of(entry, "description", str, where) for entry, where in chosen]
        super().__init__(folder, _records(files, texts), _first_there(folder, files))


class Urban1k(Listed):
    """Urban-1k (arXiv 2403.15378): `image/NUMBER.jpg` and `caption/NUMBER.txt`."""

    def __init__(self, folder: Path) -> None:
        """Lists the images; raises Missing where there is none, or one without a caption."""
        names = [f"image/{name}" for name in image_names(folder / "image")]
        if not names:
            raise Missing(str(folder / "image"))
        captions = [_there(folder / "caption" / f"{Path(name).stem}.txt") for name in names]
        texts = [read_text(file) for file in captions]
        super().__init__(folder, _records(names, texts), names)


class ShareGpt4v(Listed):
    """The first thousand captions of ShareGPT4V (arXiv 2311.12793), which Long-CLIP retrieves in."""

    def __init__(self, folder: Path) -> None:
        """Reads the conversations; raises Missing where they or the images are not there."""
        found = sorted(folder.glob("share-captioner_*.json"))
        if not found:
            raise Missing(str(folder / "share-captioner_*.json"))
        places = entries_of(found[0])[:SHARED]
        files = [value_of(entry, "image", str, where) for entry, where in places]
        texts = [_answer(entry, where) for entry, where in places]
        super().__init__(folder, _records(files, texts), _first_there(folder, files))


def _answer(entry: Mapping[str, Any], where: str) -> str:
    said = value_of(entry, "conversations", list, where)
    return "".join(
        value_of(one, "value", str, where) for one in said if value_of(one, "from", str, where) == "gpt"
    )


class Lines(Listed):
    """Captions a line, a file a language, beside a file of the images' names: XTD (arXiv 2012.05107), XTD-200,
    Flickr30k-200 (arXiv 2309.01859)."""

    def __init__(self, folder: Path, names: str, languages: str, images: Iterable[str]) -> None:
        """Reads all languages; raises Missing where there is none, or no image.

        Args:
          folder: of the files.
          names: file with the name of an image in each line.
          languages: pattern of the files of captions, in which `*` is the language.
          images: folders below that images may lie in.
        """
        wanted = read_text(_there(folder / names)).split("\n")
        wanted = [name.strip() for name in wanted if name.strip()]
        if not wanted:
            raise Missing(f"names of images in {folder / names}")
        before, _, after = languages.partition("*")
        files = {
            file.name.removeprefix(before).removesuffix(after): file
            for file in sorted(folder.glob(languages))
            if file.name != names
        }
        if not files:
            raise Missing(str(folder / languages))
        spoken = {language: _captions(file, len(wanted)) for language, file in files.items()}
        records = [
            Record(
                id=name,
                image=None,
                captions=tuple(
                    Caption(texts[at], "sentence", _ENGLISH.get(language, language))
                    for language, texts in spoken.items()
                    if texts[at]
                ),
            )
            for at, name in enumerate(wanted)
        ]
        below = next((one for one in images if os.path.isfile(folder / one / wanted[0])), None)
        if below is None:
            raise Missing(f"{wanted[0]} in {' or '.join(str(folder / one) for one in images)}")
        super().__init__(folder, records, [f"{below}/{name}" for name in wanted])


_ENGLISH = {"eng_Latn": "en"}  # FLORES' name of it


def _captions(file: Path, count: int) -> list[str]:
    texts = [clean_text(line) for line in read_text(file).rstrip("\n").split("\n")]
    if len(texts) != count:
        raise UserError(f"{file} has {len(texts)} lines for {count} images: it must have one for each")
    return texts


def _records(files: list[str], texts: list[str]) -> list[Record]:
    return [
        Record(id=Path(file).name, image=None, captions=(Caption(clean_text(text), "sentence", "en"),))
        for file, text in zip(files, texts, strict=True)
    ]


def _there(file: Path) -> Path:
    if not os.path.isfile(file):
        raise Missing(str(file))
    return file


def _first_there(folder: Path, files: list[str]) -> list[str]:
    if not files or not os.path.isfile(folder / files[0]):
        raise Missing(f"the first image at {folder / files[0]}" if files else "records of the split")
    return files


class Aro:
    """The regions of Visual Genome that ARO asks about (arXiv 2210.01936), cut out; ids are `PATH@X,Y,WIDTH,HEIGHT`."""

    def __init__(self, folder: Path, split: str) -> None:
        """Reads `visual_genome_SPLIT.json`; raises Missing where it or the images are not there."""
        file = _there(folder / f"visual_genome_{split}.json")
        boxes: dict[str, tuple[str, tuple[int, ...]]] = {}
        for entry, where in entries_of(file):
            path = value_of(entry, "image_path", str, where)
            box = tuple(value_of(entry, f"bbox_{side}", int, where) for side in "xywh")
            boxes.setdefault(f"{path}@{','.join(map(str, box))}", (path, box))
        self._below = next(
            (own for own in ("images", ".") if os.path.isfile(folder / own / _first(boxes))), ""
        )
        if not self._below:
            raise Missing(f"{_first(boxes)} in {folder / 'images'}")
        self._folder, self._ids, self._boxes = folder, list(boxes), list(boxes.values())

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        path, (left, top, width, height) = self._boxes[index]
        data = read_beside(self._folder, f"{self._below}/{path}")
        pixels, buffer = open_picture(data, MAX_PIXELS).pixels(), io.BytesIO()
        region = pixels[max(0, top) : top + height, max(0, left) : left + width]
        if not region.size:
            raise BadRecord(Reason.UNDECODABLE, f"{self._ids[index]} lies outside its image")
        Image.fromarray(region).save(buffer, "PNG")
        return Record(id=self._ids[index], image=buffer.getvalue())


def _first(boxes: Mapping[str, tuple[str, tuple[int, ...]]]) -> str:
    return next(iter(boxes.values()), ("no entry", ()))[0]
