"""GIST (Lewis et al., 2023, arXiv 2307.11315): fine-tunes CLIP on images with matched descriptions of their class.

    python main.py --config=configs/gist.py:model=vit_b16,resolution=224,curated=runs/curated/gist,start=WORKDIR
    python main.py --config=configs/gist.py:runlocal

configs/curate/gist.py makes what `curated` is: of each image the descriptions of its class that are nearest to it, as
"species: caption". `start` is the checkpoint that is tuned. Without either it is the recipe alone, on a source's own
captions. Rate, moments and decay are the authors'; they probe the image tower (configs/eval/features.py).
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import parse_arg, shrink, use_curated

METHODS = [
    {
        "paper": "GIST: Generating Image-Specific Text for Fine-grained Object Classification",
        "arxiv": "2307.11315",
        "family": "contrastive",
        "before": (
            "--config=configs/clip.py:runlocal --workdir=runs/methods/gist_start",
            "--job=describe --output=runs/descriptions.json",
            "--job=embed --checkpoint=runs/methods/gist_start --config=configs/curate/gist.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet --output=runs/methods/gist_embedded",
            "--job=curate --config=configs/curate/gist.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--config.curate.embeddings=runs/methods/gist_embedded --output=runs/methods/gist_captions",
        ),
        "argument": "runlocal,curated=runs/methods/gist_captions,start=runs/methods/gist_start",
        "flags": "--config.data.sources.quickstart.path=data/quickstart/val.parquet",
        "check": "tests/curation/test_match_captions.py::test_a_text_is_of_the_own_class_and_the_nearest_first",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, curated="", start="", runlocal=False)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "gist")
    config.update(batch_size=20, steps=50_000)  # 200 epochs of 5,000 images
    config.optimizer.update(learning_rate=1e-6, weight_decay=1e-3)
    config.optimizer.schedule.update(name="constant", warmup_steps=0)
    config.checkpoint.start = arg.start
    if arg.curated:
        use_curated(config, arg.curated, "gist")
    if arg.runlocal:
        shrink(config)
    return config
