"""Sets whose pictures have masks or boxes, as they are on disk: PASCAL VOC and Context, ADE20K, Open Images."""

from __future__ import annotations

import abc
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from input_pipeline.decode import MAX_PIXELS, open_picture
from input_pipeline.errors import UserError
from input_pipeline.known.layouts import Missing
from input_pipeline.records import BadRecord, Reason, Record, Region
from input_pipeline.sources.paths import read_beside

_Box = tuple[float, float, float, float]

VOC = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa"),
    *("train", "tv monitor"),
)
CONTEXT = (
    *("aeroplane", "bag", "bed", "bedclothes", "bench", "bicycle", "bird", "boat", "book", "bottle"),
    *("building", "bus", "cabinet", "car", "cat", "ceiling", "chair", "cloth", "computer", "cow"),
    *("cup", "curtain", "dog", "door", "fence", "floor", "flower", "food", "grass", "ground"),
    *("horse", "keyboard", "light", "motorbike", "mountain", "mouse", "person", "plate", "platform"),
    *("potted plant", "road", "rock", "sheep", "shelves", "sidewalk", "sign", "sky", "snow", "sofa"),
    *("table", "track", "train", "tree", "truck", "tv monitor", "wall", "water", "window", "wood"),
)


class Pictures(abc.ABC):
    """Pictures of a folder by their names, each with what is known of it."""

    def __init__(self, folder: Path, images: str, names: Sequence[str]):
        """Takes where pictures lie below the folder, and their names without endings."""
        self._folder, self._images, self._names = folder, images, tuple(names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        name = self._names[index]
        return self._record(name, read_beside(self._folder, f"{self._images}/{name}.jpg"))

    def ids(self) -> Iterator[str]:
        """Yields the name of every picture."""
        return iter(self._names)

    @abc.abstractmethod
    def _record(self, name: str, image: bytes) -> Record: ...


class Masked(Pictures):
    """Pictures and, beside them, pictures of their classes' numbers: 0 is background, 255 is not known.

    Attributes:
      classes: what the numbers from 1 on mean.
    """

    def __init__(self, folder: Path, names: Sequence[str], images: str, masks: str, classes: Sequence[str]):
        """Takes the names of pictures without endings, and where pictures and masks lie below the folder."""
        super().__init__(folder, images, names)
        self._masks, self.classes = masks, tuple(classes)

    def _record(self, name: str, image: bytes) -> Record:
        return Record(name, image, mask=read_beside(self._folder, f"{self._masks}/{name}.png"))


def voc(folder: Path, split: str) -> Masked:
    """Returns PASCAL VOC 2012's classes of pixels; raises Missing where its files are not there."""
    names = _listed(folder, f"ImageSets/Segmentation/{split}.txt")
    return Masked(folder, names, "JPEGImages", "SegmentationClass", VOC)


def context(folder: Path, split: str) -> Masked:
    """Returns PASCAL Context's 59 classes, as MMSegmentation converts them; raises Missing without its files."""
    names = _listed(folder, f"ImageSets/SegmentationContext/{split}.txt")
    return Masked(folder, names, "JPEGImages", "SegmentationClassContext", CONTEXT)


def ade20k(folder: Path, split: str) -> Masked:
    """Returns ADE20K's 150 classes (ADEChallengeData2016); raises Missing where its files are not there."""
    table = _text(folder, "objectInfo150.txt").splitlines()
    classes = [line.split("\t")[-1].split(",")[0].strip() for line in table[1:] if line.strip()]
    names = sorted(file.stem for file in (folder / "images" / split).glob("*.jpg"))
    if not names:
        raise Missing(str(folder / "images" / split / "*.jpg"))
    return Masked(folder, names, f"images/{split}", f"annotations/{split}", classes)


class Boxed(Pictures):
    """Pictures and their boxes, brought to [0, 1] when they are read."""

    def _record(self, name: str, image: bytes) -> Record:
        picture = open_picture(image, MAX_PIXELS)
        regions = tuple(
            Region(inside, label, label)
            for box, label in self.boxes(name, picture.width, picture.height)
            for inside in [_inside(box)]
            if inside[0] < inside[2] and inside[1] < inside[3]
        )
        tags = tuple(dict.fromkeys(region.label for region in regions))
        return Record(name, image, tags=tags, regions=regions)

    @abc.abstractmethod
    def boxes(self, name: str, width: int, height: int) -> Sequence[tuple[_Box, str]]:
        """Returns the boxes of a picture of this size, and what they show."""


class VocBoxes(Boxed):
    """PASCAL VOC's boxes: a file of XML for each picture; what is difficult is left out, as its figures do."""

    def __init__(self, folder: Path, split: str):
        """Lists the pictures; raises Missing where the files are not there."""
        super().__init__(folder, "JPEGImages", _listed(folder, f"ImageSets/Main/{split}.txt"))

    def boxes(self, name: str, width: int, height: int) -> Sequence[tuple[_Box, str]]:
        """Returns the boxes of a picture, whose pixels are counted from 1."""
        file = self._folder / "Annotations" / f"{name}.xml"
        try:
            objects = ElementTree.fromstring(file.read_bytes()).findall("object")
            return [
                (_voc_box(one, width, height), str(one.findtext("name")))
                for one in objects
                if one.findtext("difficult") != "1"
            ]
        except (OSError, ElementTree.ParseError, TypeError, ValueError) as error:
            raise BadRecord(Reason.UNREADABLE, f"{file}: {error}") from None


class OpenImagesBoxes(Boxed):
    """Open Images' boxes: a table for the split, and one of what its labels are called; groups are left out."""

    def __init__(self, folder: Path, split: str):
        """Reads both tables; raises Missing where they are not there."""
        try:
            called = {row[0]: row[1] for row in _rows(folder, "*class-descriptions-boxable.csv")}
            header, *rows = _rows(folder, f"*{split}-annotations-bbox.csv")
            columns = ("ImageID", "LabelName", "XMin", "YMin", "XMax", "YMax")
            own = [header.index(name) for name in columns]
            group = header.index("IsGroupOf") if "IsGroupOf" in header else -1
            self._boxes: dict[str, list[tuple[_Box, str]]] = {}
            for row in rows:
                image, label, left, top, right, bottom = (row[at] for at in own)
                known = self._boxes.setdefault(image, [])
                if group < 0 or row[group] != "1":
                    box = float(left), float(top), float(right), float(bottom)
                    known.append((box, called.get(label, label)))
        except (ValueError, IndexError, csv.Error) as error:
            raise UserError(f"{folder}: a table of Open Images' boxes is of another form: {error}") from None
        super().__init__(folder, split, sorted(self._boxes))

    def boxes(self, name: str, width: int, height: int) -> Sequence[tuple[_Box, str]]:
        """Returns the boxes of a picture."""
        del width, height
        return self._boxes[name]


def _voc_box(one: ElementTree.Element, width: int, height: int) -> _Box:
    left, top, right, bottom = (
        float(one.findtext(f"bndbox/{side}") or "nan") for side in ("xmin", "ymin", "xmax", "ymax")
    )
    return (left - 1) / width, (top - 1) / height, right / width, bottom / height


def _inside(box: _Box) -> _Box:
    left, top, right, bottom = (min(max(one, 0.0), 1.0) for one in box)
    return left, top, right, bottom


def _listed(folder: Path, name: str) -> list[str]:
    """The first words of the lines of a file: pictures."""
    return [line.split()[0] for line in _text(folder, name).splitlines() if line.strip()]


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise Missing(str(folder / name)) from None


def _rows(folder: Path, pattern: str) -> list[list[str]]:
    """The rows of the one table whose name fits."""
    files = sorted(folder.glob(pattern))
    if not files:
        raise Missing(str(folder / pattern))
    with open(files[0], newline="", encoding="utf-8") as file:
        return [row for row in csv.reader(file) if row]
