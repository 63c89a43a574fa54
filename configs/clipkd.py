"""CLIP-KD (Yang et al., 2023, arXiv 2307.12732): a small CLIP that learns from pairs and from a large, frozen one.

    python main.py --config=configs/clipkd.py:model=vit_ti16,resolution=224,teacher=WORKDIR
    python main.py --config=configs/clipkd.py:runlocal,teacher=WORKDIR        # of a quickstart run

The teacher runs in bfloat16, forward alone, on the student's crops and captions in its own resolution and tokens.
Weights are recalled from the paper (affinity 1, features 2000, interactive 1) and not verified: the public code has
them on its command line. `only=affinity` leaves one term, which is open_clip's DistillClipLoss with
`objectives.distillation.divergence="cross_entropy"`. Batch and steps are recalled, too (1024, 32 epochs of CC3M and
CC12M).
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, quickstart
from configs.common import parse_arg

METHODS = [
    {
        "paper": "CLIP-KD: An Empirical Study of CLIP Model Distillation",
        "arxiv": "2307.12732",
        "family": "contrastive",
        "before": ("--config=configs/quickstart.py:runlocal --workdir=runs/methods/clipkd_teacher",),
        "argument": "runlocal,teacher=runs/methods/clipkd_teacher",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
    {
        "paper": "DistillClip: the distillation of OpenCLIP, scores alone",
        "arxiv": "",
        "family": "contrastive",
        "before": ("--config=configs/quickstart.py:runlocal --workdir=runs/methods/clipkd_teacher",),
        "argument": "runlocal,teacher=runs/methods/clipkd_teacher,only=affinity",
        "flags": "--config.objectives.distillation.divergence=cross_entropy",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]
WEIGHTS = {"affinity": 1.0, "feature": 2000.0, "interactive": 1.0}


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_ti16", resolution=224, teacher="", only="", runlocal=False)
    size = f"model={arg.model},resolution={arg.resolution}"
    config = quickstart.get_config("runlocal") if arg.runlocal else clip.get_config(size)
    config.name = "clipkd"
    if arg.only and arg.only not in WEIGHTS:
        raise ValueError(f"only={arg.only} is unknown: use one of {', '.join(WEIGHTS)}")
    if arg.runlocal:
        config.update(steps=8, batch_size=32)
        config.model.image.depth = 1
    else:
        config.update(batch_size=1024, steps=460_000)
        config.optimizer.learning_rate = 1e-3
    if arg.teacher:
        weights = {name: one if arg.only in ("", name) else 0.0 for name, one in WEIGHTS.items()}
        config.objectives.distillation.update(weight=1.0, **weights)
        config.frozen = {"teacher": {"checkpoint": arg.teacher, "dtype": "bfloat16"}}
    return config
