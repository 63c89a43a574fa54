"""Data sets that everybody evaluates on and no other format reads, where the user has them on disk.

Nothing is downloaded. The path of the source format 'known' is NAME[:SPLIT]=FOLDER, as `coco_karpathy:val=/data/coco`.
What a set looks like on disk stands in `layouts.py`; what is missing there is said with the place to get it from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from input_pipeline.errors import UserError
from input_pipeline.known import captioned, layouts, regions, structured, winogavil
from input_pipeline.sources import Source
from input_pipeline.sources.columns import did_you_mean
from input_pipeline.sources.paths import here

FORMATS = {"known": "known_set"}
NAMED = True


@dataclass(frozen=True)
class KnownSet:
    """One set.

    Attributes:
      open: from (folder, split) to the source; raises `layouts.Missing` with the files that were looked for.
      splits: that there are, the usual one first.
      origin: where to get it.
    """

    open: Callable[[Path, str], Source]
    splits: tuple[str, ...]
    origin: str


def known_set(path: str, columns: Mapping[str, str] | None = None) -> Source:
    """Returns the source of `NAME[:SPLIT]=FOLDER`.

    Args:
      path: see above.
      columns: none: they are known.

    Raises:
      ValueError: an unknown name or split, or a folder without the set's files; says which, and where to get them.
    """
    name, equals, folder = path.partition("=")
    name, _, split = name.partition(":")
    if not equals or name not in KNOWN:
        hint = "" if name in KNOWN else did_you_mean(name, KNOWN)
        raise UserError(
            f"known set '{path}' must be NAME[:SPLIT]=FOLDER with a name of {', '.join(KNOWN)}{hint}"
        )
    if columns:
        raise UserError(f"known set '{name}': its columns are known; leave columns={dict(columns)} empty")
    known = KNOWN[name]
    split = split or known.splits[0]
    if split not in known.splits:
        raise UserError(f"known set '{name}' has the splits {', '.join(known.splits)}, not '{split}'")
    root = here(folder)
    try:
        return known.open(root, split)
    except layouts.Missing as missing:
        raise UserError(
            f"known set '{name}' ({split}) is not in {root}: looked for {missing}. Get it from {known.origin}"
        ) from None


def _karpathy(name: str) -> Callable[[Path, str], Source]:
    def opened(folder: Path, split: str) -> Source:
        return layouts.Karpathy(folder, f"dataset_{name}.json", split)

    return opened


def _cifar(name: str) -> Callable[[Path, str], Source]:
    return lambda folder, split: layouts.Cifar(folder, name, split)


def _lines(names: str, languages: str) -> Callable[[Path, str], Source]:
    below = ("images", ".", "val2014", "train2014", "flickr30k-images")
    return lambda folder, split: captioned.Lines(folder, names, languages, below)


_CIFAR = "https://www.cs.toronto.edu/~kriz/cifar.html (the binary version)"
_KARPATHY = (
    "https://cs.stanford.edu/people/karpathy/deepimagesent (caption_datasets.zip) beside the images of "
)

_VOC = "http://host.robots.ox.ac.uk/pascal/VOC (the folder with JPEGImages in it)"

KNOWN: Mapping[str, KnownSet] = {
    "cifar10": KnownSet(_cifar("cifar10"), ("test", "train"), _CIFAR),
    "cifar100": KnownSet(_cifar("cifar100"), ("test", "train"), _CIFAR),
    "flickr30k_karpathy": KnownSet(_karpathy("flickr30k"), ("test", "val", "train"), _KARPATHY + "Flickr30k"),
    "coco_karpathy": KnownSet(
        _karpathy("coco"), ("test", "val", "train", "restval"), _KARPATHY + "COCO 2014"
    ),
    "gpr1200": KnownSet(
        lambda folder, _: layouts.Gpr1200(folder), ("all",), "http://visual-computing.com/project/GPR1200"
    ),
    "voc": KnownSet(regions.voc, ("val", "train", "trainval"), _VOC),
    "voc_boxes": KnownSet(regions.VocBoxes, ("val", "train", "trainval", "test"), _VOC),
    "pascal_context": KnownSet(
        regions.context, ("val", "train"), f"{_VOC}, its masks as MMSegmentation's converter writes them"
    ),
    "ade20k": KnownSet(
        regions.ade20k,
        ("validation", "training"),
        "http://sceneparsing.csail.mit.edu (ADEChallengeData2016.zip)",
    ),
    "open_images_boxes": KnownSet(
        regions.OpenImagesBoxes,
        ("validation", "test", "train"),
        "https://storage.googleapis.com/openimages/web/download_v7.html (boxes, class names, images)",
    ),
    "xm3600": KnownSet(
        lambda folder, _: layouts.Xm3600(folder), ("all",), "https://google.github.io/crossmodal-3600"
    ),
    "aro": KnownSet(
        captioned.Aro,
        ("relation", "attribution"),
        "https://github.com/mertyg/vision-language-models-are-bows",
    ),
    "docci": KnownSet(
        captioned.Docci, ("test", "qual_test", "qual_dev", "train"), "https://google.github.io/docci"
    ),
    "urban1k": KnownSet(
        lambda folder, _: captioned.Urban1k(folder),
        ("all",),
        "https://huggingface.co/datasets/BeichenZhang/Urban1k",
    ),
    "sharegpt4v": KnownSet(
        lambda folder, _: captioned.ShareGpt4v(folder),
        ("all",),
        "https://huggingface.co/datasets/Lin-Chen/ShareGPT4V",
    ),
    "xtd10": KnownSet(
        _lines("test_image_names.txt", "test_1kcaptions_*.txt"),
        ("all",),
        "https://github.com/adobe-research/Cross-lingual-Test-Dataset-XTD10",
    ),
    "xtd200": KnownSet(
        _lines("test_image_names.txt", "*.txt"),
        ("all",),
        "https://github.com/visheratin/nllb-clip (data/xtd200)",
    ),
    "flickr30k_200": KnownSet(
        _lines("filenames.txt", "*.txt"),
        ("all",),
        "https://github.com/visheratin/nllb-clip (data/flickr30k-200)",
    ),
    "winogavil": KnownSet(
        lambda folder, _: winogavil.WinoGavil(folder),
        ("all",),
        "https://huggingface.co/datasets/nlphuji/winogavil",
    ),
    **{
        name: KnownSet(
            functools.partial(structured.Structured, name),
            structured.SPLITS,
            f"https://www.tensorflow.org/datasets/catalog/{task.data_set}, by tfds.builder('{task.data_set}', "
            "file_format='array_record').download_and_prepare()",
        )
        for name, task in structured.TASKS.items()
    },
}
