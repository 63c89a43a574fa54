"""ISA (Du et al., 2024, arXiv 2403.01431): asymmetrical zero-shot composed retrieval, by images as sentences.

    python main.py --config=configs/isa.py:model=vit_b16,resolution=224,start=WORKDIR
    python main.py --config=configs/isa.py:runlocal,start=WORKDIR           # of a quickstart run

The model is held: its image tower encodes what is searched and its text tower the queries. A small image tower learns,
from images alone, to be words of that text tower. The losses' forms, weights and temperatures are reconstructed from
the paper's description and not verified.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, quickstart
from configs.common import parse_arg
from configs.sprc import search_composed

METHODS = [
    {
        "paper": "ISA: Image2Sentence based Asymmetrical Zero-shot Composed Image Retrieval",
        "arxiv": "2403.01431",
        "family": "distillation",
        "before": ("--config=configs/quickstart.py:runlocal --workdir=runs/methods/isa_start",),
        "argument": "runlocal,start=runs/methods/isa_start",
        "check": "tests/objectives/test_pseudo_words.py::test_only_the_small_tower_learns",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, start="", runlocal=False)
    size = f"model={arg.model},resolution={arg.resolution}"
    config = quickstart.get_config("runlocal") if arg.runlocal else clip.get_config(size)
    config.name = "isa"
    config.update(steps=20_000, batch_size=256)
    config.data.texts = {"sentence": {"path": "data/quickstart/tables/sentence.json", "labels": "verbatim"}}
    config.objectives.contrastive.weight = 0.0
    config.objectives.pseudo_words.weight = 1.0
    image = config.model.image
    tower = {"size": "Ti", "patch_size": image.patch_size, "resolution": image.resolution}
    config.objectives.pseudo_words.tower.update(tower)
    config.optimizer.update(learning_rate=3e-4, weight_decay=0.01, clip_norm=1.0)
    config.optimizer.schedule.update(name="cosine", warmup_steps=0)
    config.optimizer.learning_rate_rules = "^model/ = 0"
    image.patch_dropout = 0.0
    search_composed(config, "pseudo_words/composer")
    config.checkpoint.start = arg.start
    if arg.runlocal:
        config.update(steps=8, batch_size=16)
        config.optimizer.learning_rate = 1e-3
        config.objectives.pseudo_words.tower.update(size="", width=32, depth=1, heads=2, mlp_dim=64)
    return config
