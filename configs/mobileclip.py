"""MobileCLIP (Vasu et al., 2024, arXiv 2311.17049): reinforced data, whose teachers have seen them once, for all runs.

    python main.py --job=curate --config=configs/curate/fusecap.py --output=runs/captions
    python main.py --job=embed --checkpoint=TEACHER --config=configs/mobileclip.py:captions=runs/captions/texts.jsonl \
        --output=runs/taught
    python main.py --config=configs/mobileclip.py:captions=runs/captions/texts.jsonl,stored=runs/taught

Each image has `views` fixed crops, of which a visit shows one, and each text its row: of the source's captions and of
synthetic ones (any file of {id, texts, kind, by, prompt}; a captioner's in the paper, by default made of tags). Several
teachers are several folders, as stored=runs/one+runs/other; their probabilities are averaged. With real and with
synthetic captions alike, the loss is the contrast and the teachers' scores in shares of `1 - distil` and `distil`: .75
for the set of a billion, 1 for that of twelve million (`distil=1`). The student is a plain ViT, not the paper's hybrid.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from configs import clip
from configs.common import parse_arg, shrink

METHODS = [
    {
        "paper": "MobileCLIP: Fast Image-Text Models through Multi-Modal Reinforced Training",
        "arxiv": "2311.17049",
        "family": "contrastive",
        "before": (
            "--config=configs/clip.py:runlocal --workdir=runs/methods/mobileclip_teacher",
            "--job=curate --config=configs/curate/fusecap.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--output=runs/methods/mobileclip_captions",
            "--job=embed --checkpoint=runs/methods/mobileclip_teacher "
            "--config=configs/mobileclip.py:runlocal,captions=runs/methods/mobileclip_captions/texts.jsonl "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet --config.embed.views=2 "
            "--output=runs/methods/mobileclip_taught",
        ),
        "argument": "runlocal,captions=runs/methods/mobileclip_captions/texts.jsonl,"
        "stored=runs/methods/mobileclip_taught",
        "flags": "--config.data.sources.quickstart.path=data/quickstart/val.parquet",
        "check": "tests/jobs/test_reinforced_run.py::"
        "test_stored_rows_are_those_of_what_the_stream_shows_and_teach_as_their_teacher_does",
    },
]
WRITTEN = "fused"  # the kind of the synthetic captions


def get_config(argument: str = "") -> ConfigDict:
    size = {"model": "vit_s16", "resolution": 224}
    made = {"captions": "", "stored": "", "distil": 0.75, "views": 10}
    arg = parse_arg(argument, **size, **made, runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "mobileclip")
    config.data.image.update(crop_scale=(0.08, 1.0), flip=True, rand_augment=(2, 9))
    config.embed.update(
        sets=("quickstart",), feature="both", views=arg.views, format="parquet", dtype="bfloat16"
    )
    if arg.captions:
        ((name, source),) = config.data.sources.items()
        config.data.sources = {name: {**source.to_dict(), "captions_by_id": arg.captions}}
    if arg.stored:
        _learn(config, [Path(folder) for folder in arg.stored.split("+")], arg.distil, bool(arg.captions))
    if arg.runlocal:
        shrink(config)
    return config


def _learn(config: ConfigDict, folders: list[Path], distil: float, synthetic: bool) -> None:
    """Adds the contrast and the teachers' scores, with captions of either kind."""
    taught = [_index(folder) for folder in folders]
    ((source, _),) = config.data.sources.items()
    config.data.variants = min(one["views"] for one in taught)
    views = {"text": "text", "synthetic": "synthetic"} if synthetic else {"text": "text"}
    if synthetic:
        config.data.text.kinds = f"*=1,{WRITTEN}=0"
        config.data.text_views = {"synthetic": {"kinds": f"{WRITTEN}=1"}}
    config.data.tables = {
        f"{what}_{number}": {
            "path": f"{folder}/{source}/{'image' if what == 'image' else 'text'}/*.parquet",
            "column": "embedding",
            "of": what,
        }
        for number, folder in enumerate(folders)
        for what in ("image", *views)
    }
    widths = tuple(one["parts"][f"{source}/image"]["dim"] for one in taught)
    for name, view in views.items():
        end = "" if name == "text" else f"_{name}"
        numbers = range(len(folders))
        config.objectives[f"contrastive{end}"] = {
            "kind": "contrastive",
            "weight": 1.0 - distil,
            "text_view": view,
        }
        config.objectives[f"distillation{end}"] = {
            "kind": "distillation",
            "weight": distil,
            "text_view": view,
            "stored_images": tuple(f"image_{number}" for number in numbers),
            "stored_texts": tuple(f"{view}_{number}" for number in numbers),
            "stored_widths": widths,
            "scales": tuple(one["logit_scale"] for one in taught),
            "divergence": "cross_entropy",
        }


def _index(folder: Path) -> dict[str, Any]:
    path = folder / "index.json"
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {"views": index["views"], **index}
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{folder} holds no fixed views: run --job=embed with --config.embed.views: {path}: {error!r}"
        ) from error
