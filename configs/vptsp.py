"""VPTSP-G (Ren et al., 2024, arXiv 2402.02340): retrieval by prompts alone, against proxies that images make.

    python main.py --config=configs/vptsp.py:model=vit_b16,resolution=224,start=WORKDIR
    python main.py --config=configs/vptsp.py:runlocal,start=WORKDIR        # of a quickstart run

The tower is held. Ten tokens a layer are learned for all images, and five in the first three layers for each class:
what the tower makes of the class's images with those is the proxy that all its images are drawn to. Sizes, margins and
scale are the public code's; rate and decay are recalled and not verified. Measured on classes that training never saw.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, quickstart
from configs.adaptclipzs import NEW, TRAINED
from configs.common import evaluate_labels, parse_arg, quickstart_source

METHODS = [
    {
        "paper": "VPTSP-G: Learning Semantic Proxies from Visual Prompts for Deep Metric Learning",
        "arxiv": "2402.02340",
        "family": "supervised",
        "before": ("--config=configs/quickstart.py:runlocal --workdir=runs/methods/vptsp_start",),
        "argument": "runlocal,start=runs/methods/vptsp_start",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, start="", runlocal=False)
    size = f"model={arg.model},resolution={arg.resolution}"
    config = quickstart.get_config("runlocal") if arg.runlocal else clip.get_config(size)
    config.name = "vptsp"
    config.update(steps=2000, batch_size=32)
    config.model.image.update(prompts=10, patch_dropout=0.0)
    config.data.sources = {"classes": {**quickstart_source("train"), "keep_labels": TRAINED}}
    config.data.labels = {"classes": {"path": TRAINED, "of": "label", "most": 1}}
    config.data.sampler.update(kind="classes", each=4)
    config.objectives.contrastive.weight = 0.0
    config.objectives.semantic_proxies.update(weight=1.0, each=4)
    config.optimizer.update(learning_rate=1e-3, weight_decay=1e-4, clip_norm=0.0)
    config.optimizer.learning_rate_rules = "^model/image/prompts$ = 1; ^model/ = 0"
    config.optimizer.schedule.update(name="cosine", warmup_steps=0)
    evaluate_labels(config, NEW)
    for name in ("retrieval", "zero_shot"):
        config.evaluators[name].update(every=0, final=False)
    config.evaluators.image_retrieval.update(every=0, final=True, sets=("test",))
    config.checkpoint.start = arg.start
    if arg.start:
        config.checkpoint.start_new = "^model/image/prompts$"
    if arg.runlocal:
        config.update(steps=8)
        config.objectives.semantic_proxies.prompt_layers = 1
    return config
