r"""Known sets that you have, by name: evaluated as in publications, with their prompts. Nothing is downloaded.

python main.py --job=evaluate --checkpoint=RUN --config=configs/eval/known_set.py:cifar100
python main.py --job=evaluate --checkpoint=RUN \
  --config=configs/eval/known_set.py:imagenet,format=folder,path=/data/imagenet/val
python main.py --job=evaluate --checkpoint=RUN --config=configs/eval/known_set.py:coco_karpathy,path=/data/coco
python main.py --job=evaluate --checkpoint=RUN --config=configs/eval/known_set.py:cifar100,imagenet,pets

`babel_imagenet` is ImageNet asked by its classes' names in 298 languages, which babel_imagenet-298.json has
(github.com/gregor-ge/Babel-ImageNet, data): in data/babel_imagenet, or in the folder of `names=`; a file
nllb_dist13b_prompts.json beside it has the texts that they stand in.

`voc`, `pascal_context` and `ade20k` are measured by the classes of their pixels. VTAB's structured tasks (CLEVR, DMLab,
dSprites, KITTI, SmallNORB) have VTAB's labels and CLIP_benchmark's prompts; `path=` is TFDS's folder.

Of several sets each is measured by an entry of its own, with its own prompts, in one run. A comma in a path stands
behind a backslash: 'path=/data/a\,b'.

It is read from TFDS's folder (TFDS_DATA_DIR), where it was prepared with file_format="array_record", or from a folder
with a folder a class, named as its label (ImageNet's: n01440764; SUN397's as they come: b/bakery/shop). Sets to
retrieve in, and CIFAR with format=known, are read as they are when one has downloaded them: docs/data.md says what is
looked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from configs import base
from configs.common import parse_arg

# By name: the split in TFDS, the prompt set, and the rule from labels to names.
KNOWN = {
    "imagenet": ("imagenet2012/validation", "openai_80", "imagenet"),
    "imagenet_v2": ("imagenet_v2/test", "openai_80", "imagenet"),
    "imagenet_a": ("imagenet_a/test", "openai_80", "imagenet"),
    "imagenet_r": ("imagenet_r/test", "openai_80", "imagenet"),
    "imagenet_sketch": ("imagenet_sketch/test", "openai_80", "imagenet"),
    "caltech101": ("caltech101/test", "caltech101", "category"),
    "cars": ("cars196/test", "cars", "verbatim"),
    "cifar10": ("cifar10/test", "cifar", "category"),
    "cifar100": ("cifar100/test", "cifar", "category"),
    "diabetic_retinopathy": (
        "diabetic_retinopathy_detection/btgraham-300/test",
        "diabetic_retinopathy",
        "diabetic_retinopathy",
    ),
    "dtd": ("dtd/test", "dtd", "category"),
    "eurosat": ("eurosat/train", "eurosat", "eurosat"),
    "flowers": ("oxford_flowers102/test", "flowers", "verbatim"),
    "food101": ("food101/validation", "food101", "category"),
    "mnist": ("mnist/test", "mnist", "verbatim"),
    "pcam": ("patch_camelyon/test", "pcam", "pcam"),
    "pets": ("oxford_iiit_pet/test", "pets", "category"),
    "resisc45": ("resisc45/train", "resisc45", "category"),
    "stl10": ("stl10/test", "stl10", "verbatim"),
    "sun397": ("sun397/tfds/test", "sun397", "sun397"),
    "svhn": ("svhn_cropped/test", "svhn", "verbatim"),
}

# VTAB's structured tasks, of what TFDS has prepared: the prompt set, and the rule from numbers of classes to names.
STRUCTURED = {
    "clevr_count_all": ("clevr_count_all", "clevr_count_all"),
    "clevr_closest_object_distance": ("plain", "clevr_closest_object_distance"),
    "dmlab": ("plain", "dmlab"),
    "dsprites_label_orientation": ("rotation", "verbatim"),
    "dsprites_label_orientation_16": ("rotation", "verbatim"),
    "dsprites_label_x_position": ("dsprites_label_x_position", "verbatim"),
    "dsprites_label_x_position_16": ("dsprites_label_x_position", "verbatim"),
    "kitti_closest_vehicle_distance": ("plain", "kitti_closest_vehicle_distance"),
    "smallnorb_label_azimuth": ("rotation", "verbatim"),
    "smallnorb_label_elevation": ("rotation", "verbatim"),
}
TFDS_FOLDER = "~/tensorflow_datasets"  # where TFDS prepares data sets if nothing is said

# Of sets whose folders lie in folders, the columns of format=folder.
FOLDERS = {"sun397": {"label": "folders"}}

# Sets to retrieve in -> the folder where nothing is said.
RETRIEVAL = {
    "coco_karpathy": "data/coco",
    "flickr30k_karpathy": "data/flickr30k",
    "xm3600": "data/xm3600",
    "gpr1200": "data/gpr1200",
    "docci": "data/docci",
    "urban1k": "data/urban1k",
    "sharegpt4v": "data/sharegpt4v",
    "xtd10": "data/xtd10",
    "xtd200": "data/xtd200",
    "flickr30k_200": "data/flickr30k_200",
}
# Sets of class names in many languages -> TFDS's split of their images, and the folder of the names.
MULTILINGUAL = {"babel_imagenet": (KNOWN["imagenet"][0], "data/babel_imagenet")}
# Sets of pixels' classes -> the folder where nothing is said.
SEGMENTED = {"voc": "data/VOC2012", "pascal_context": "data/VOC2010", "ade20k": "data/ADEChallengeData2016"}
# fmt: off
XM3600_LANGUAGES = (
    "ar", "bn", "cs", "da", "de", "el", "es", "fa", "fi", "fil", "fr", "he", "hi", "hr", "hu", "id", "it", "ja", "ko",
    "mi", "nl", "no", "pl", "pt", "quz", "ro", "ru", "sv", "sw", "te", "th", "tr", "uk", "vi", "zh",
)
# fmt: on


def get_config(argument: str = "imagenet") -> ConfigDict:
    names = dict.fromkeys([*KNOWN, *STRUCTURED, *RETRIEVAL, *SEGMENTED, *MULTILINGUAL], False)
    arg = parse_arg(argument, format="", path="", split="", names="", **names)
    chosen = [name for name in names if arg[name]] or ["imagenet"]
    config = base.get_config()
    config.name = "_".join(chosen) if len(chosen) < 4 else "known_sets"
    with config.data.evaluation.unlocked():
        for name in chosen:
            config.data.evaluation[name] = _set(name, arg, alone=len(chosen) == 1)
    for name in chosen:
        settings = _evaluator(name, arg.names)
        entry = settings["kind"] if len(chosen) == 1 else f"{settings['kind']}_{name}"
        if entry in config.evaluators:
            config.evaluators[entry].update(settings)
        else:
            config.evaluators[entry] = settings
    return config


def _evaluator(name: str, folder: str) -> dict[str, Any]:
    """What a set is measured by, with its own prompts, names, folds or languages."""
    run: dict[str, Any] = {"final": True, "sets": (name,)}
    if name in KNOWN or name in STRUCTURED:
        templates, labels = KNOWN[name][1:] if name in KNOWN else STRUCTURED[name]
        return {"kind": "zero_shot", **run, "templates": templates, "labels": labels}
    if name in SEGMENTED:
        return {"kind": "pixel_maps", **run}
    if name in MULTILINGUAL:
        return {"kind": "multilingual", **run, **_languages(Path(folder or MULTILINGUAL[name][1]))}
    if name == "gpr1200":
        return {"kind": "image_retrieval", **run}
    # COCO's 1K figures are means over five folds of its 5K test images.
    languages = {
        "xm3600": XM3600_LANGUAGES,
        **dict.fromkeys(("xtd10", "xtd200", "flickr30k_200"), ("*",)),
    }.get(name, ())
    return {"kind": "retrieval", **run, "folds": 5 if name == "coco_karpathy" else 1, "languages": languages}


def _languages(folder: Path) -> dict[str, str]:
    """Babel-ImageNet's files."""
    prompts = folder / "nllb_dist13b_prompts.json"
    return {
        "names": str(folder / "babel_imagenet-298.json"),
        "prompts": str(prompts) if prompts.is_file() else "",
    }


def _set(name: str, arg: ConfigDict, alone: bool) -> dict[str, Any]:
    """Where a set lies: the path is its own where it is alone, else the folder of all of them."""
    path = arg.path if alone or not arg.path else f"{arg.path}/{name}"
    kind = arg.format or ("tfds" if name in KNOWN or name in MULTILINGUAL else "known")
    if kind != "known":
        columns = {"columns": FOLDERS[name]} if kind == "folder" and name in FOLDERS else {}
        return {"format": kind, "path": path or (KNOWN | MULTILINGUAL)[name][0], **columns}
    split = f":{arg.split}" if arg.split else ""
    usual = RETRIEVAL | SEGMENTED | dict.fromkeys(STRUCTURED, TFDS_FOLDER)
    return {"format": kind, "path": f"{name}{split}={path or usual.get(name, f'data/{name}')}"}
