"""SPRC (Bai et al., 2023, arXiv 2310.05473): composed retrieval by sentence-level prompts.

    python main.py --config=configs/sprc.py:model=vit_b16,resolution=224,start=WORKDIR
    python main.py --config=configs/sprc.py:runlocal,start=WORKDIR          # of a quickstart run

Prompts that queries make of a reference image and of the words that change it stand before the same words in the text
tower; the largest cosine with any of the target's own rows counts. Triplets are two images of a label and a tag that
the second has alone. The paper starts from BLIP-2, whose queries are trained already; here they begin anew on a CLIP.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, quickstart
from configs.common import parse_arg

METHODS = [
    {
        "paper": "SPRC: Sentence-level Prompts Benefit Composed Image Retrieval",
        "arxiv": "2310.05473",
        "family": "contrastive",
        "before": ("--config=configs/quickstart.py:runlocal --workdir=runs/methods/sprc_start",),
        "argument": "runlocal,start=runs/methods/sprc_start",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]

TAGS = "data/quickstart/tables/tags.json"  # of 20 or more training pictures


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, start="", runlocal=False)
    size = f"model={arg.model},resolution={arg.resolution}"
    config = quickstart.get_config("runlocal") if arg.runlocal else clip.get_config(size)
    config.name = "sprc"
    config.update(steps=10_000, batch_size=128)
    config.data.sampler.update(kind="bags", each=2)
    config.data.labels = {"changes": {"path": TAGS, "of": "tags"}}
    config.data.texts = {"changes": {"path": TAGS, "labels": "verbatim"}}
    config.objectives.contrastive.weight = 0.0
    config.objectives.sentence_prompts.weight = 1.0
    config.optimizer.update(learning_rate=1e-5, weight_decay=0.05, clip_norm=0.0)
    config.optimizer.schedule.update(name="cosine", warmup_steps=0)
    search_composed(config, "sentence_prompts/composer")
    config.checkpoint.start = arg.start
    if arg.runlocal:
        config.update(steps=8, batch_size=16)
        config.optimizer.learning_rate = 1e-3
        own = {"size": "", "width": 64, "depth": 1, "heads": 2, "mlp_dim": 128}
        config.objectives.sentence_prompts.update(own, prompts=4)  # of 20 tokens
    return config


def search_composed(config: ConfigDict, composer: str) -> None:
    """Measures retrieval for an image and a text alone, by a part that composes them."""
    for name in ("retrieval", "zero_shot"):
        config.evaluators[name].update(every=0, final=False)
    config.evaluators.composed_retrieval.update(final=True, sets=("val_vendor",), composer=composer)
