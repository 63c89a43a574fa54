"""GPT4Image (Ding et al., 2023, arXiv 2306.00693): a classifier that also finds what was said of each image.

    python main.py --job=embed --checkpoint=CLIP --config=configs/gpt4image.py:captions=said.jsonl --output=runs/said
    python main.py --config=configs/gpt4image.py:captions=said.jsonl,stored=runs/said

A large model describes every training image once, in a file of {id, texts, kind, by, prompt}; a frozen text tower makes
rows of it, which training alone sees. Without a file of your own, descriptions are tags in a template
(configs/curate/fusecap.py). Weight .3 and temperature .2 are those of the released script for a ResNet-50. Optimiser
and length are CLIP's here.
"""

from __future__ import annotations

import json
from pathlib import Path

from ml_collections import ConfigDict

from configs import clip
from configs.common import evaluate_images, parse_arg, shrink

METHODS = [
    {
        "paper": "GPT4Image: Can Large Pre-trained Models Help Vision Models on Perception Tasks?",
        "arxiv": "2306.00693",
        "family": "supervised",
        "before": (
            "--config=configs/clip.py:runlocal --workdir=runs/methods/gpt4image_clip",
            "--job=curate --config=configs/curate/fusecap.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--output=runs/methods/gpt4image_said",
            "--job=embed --checkpoint=runs/methods/gpt4image_clip "
            "--config=configs/gpt4image.py:runlocal,captions=runs/methods/gpt4image_said/texts.jsonl "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--output=runs/methods/gpt4image_rows",
        ),
        "argument": "runlocal,captions=runs/methods/gpt4image_said/texts.jsonl,stored=runs/methods/gpt4image_rows",
        "flags": "--config.data.sources.quickstart.path=data/quickstart/val.parquet",
        "check": "tests/objectives/test_stored_contrast.py::test_it_is_infonce_both_ways_and_the_store_has_no_slope",
    },
]
LABELS = "data/quickstart/tables/categories.json"


def get_config(argument: str = "") -> ConfigDict:
    size = {"model": "vit_b16", "resolution": 224}
    arg = parse_arg(argument, **size, captions="", kind="fused", stored="", classes=79, runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "gpt4image")
    config.objectives.contrastive.weight = 0.0
    config.data.labels = {"classes": {"path": LABELS, "of": "label", "most": 1}}
    config.objectives.classification.update(
        weight=1.0, kernel="softmax", labels="classes_ids", classes=arg.classes
    )
    config.embed.update(sets=("quickstart",), feature="text", format="parquet")
    if arg.captions:
        ((name, source),) = config.data.sources.items()
        config.data.sources = {name: {**source.to_dict(), "captions_by_id": arg.captions}}
        config.data.text.kinds = f"{arg.kind}=1"
    if arg.stored:
        _read(config, Path(arg.stored))
    evaluate_images(config, every=config.evaluators.retrieval.every)
    if arg.runlocal:
        shrink(config)
    return config


def _read(config: ConfigDict, folder: Path) -> None:
    ((source, _),) = config.data.sources.items()
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        width = index["parts"][f"{source}/text"]["dim"]
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"there are no rows of texts in {folder}: run --job=embed with this config ({error!r})"
        ) from error
    path = f"{folder}/{source}/text/*.parquet"
    config.data.tables = {"described": {"path": path, "column": "embedding", "of": "text"}}
    config.objectives.stored_contrast.update(weight=0.3, width=width)
