r"""A known set that you have, by name: zero-shot classification with the prompts of its published evaluations.

python main.py --job=evaluate --checkpoint=RUN --config=configs/eval/known_set.py:cifar100
python main.py --job=evaluate --checkpoint=RUN \
  --config=configs/eval/known_set.py:imagenet,format=folder,path=/data/imagenet/val

It is read from TFDS's folder (TFDS_DATA_DIR), where it was prepared with file_format="array_record", or from a folder
with a folder a class, named as its label (ImageNet's: n01440764).
"""

from __future__ import annotations

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
    "dtd": ("dtd/test", "dtd", "category"),
    "eurosat": ("eurosat/train", "eurosat", "eurosat"),
    "flowers": ("oxford_flowers102/test", "flowers", "verbatim"),
    "food101": ("food101/validation", "food101", "category"),
    "mnist": ("mnist/test", "mnist", "verbatim"),
    "pets": ("oxford_iiit_pet/test", "pets", "category"),
    "resisc45": ("resisc45/train", "resisc45", "category"),
    "stl10": ("stl10/test", "stl10", "verbatim"),
    "svhn": ("svhn_cropped/test", "svhn", "verbatim"),
}


def get_config(argument: str = "imagenet") -> ConfigDict:
    names = dict.fromkeys(KNOWN, False)
    arg = parse_arg(argument, format="tfds", path="", **names)
    chosen = [name for name in KNOWN if arg[name]]
    if len(chosen) > 1:
        raise ValueError(f"name one set, not {' and '.join(chosen)}")
    name = chosen[0] if chosen else "imagenet"
    path, templates, labels = KNOWN[name]
    config = base.get_config()
    config.name = name
    with config.unlocked():
        config.data.evaluation[name] = {"format": arg.format, "path": arg.path or path}
    config.evaluators.zero_shot.update(final=True, sets=(name,), templates=templates, labels=labels)
    return config
