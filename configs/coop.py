"""CoOp (Zhou et al., 2021, arXiv 2109.01134): a prompt's context is learned from a few images of each class.

    python main.py --config=configs/coop.py:model=vit_b16,resolution=224,start=WORKDIR
    python main.py --config=configs/coop.py:runlocal,start=WORKDIR      # of a quickstart run; without one all is random

Vectors in the place of "a photo of a", shared by all classes and so fit for classes that come later; all else is
held. `model.text.context_place` puts names at the front or in the middle, `context_words="a photo of a"` with
`context=4` begins at the written prompt, `context_texts="classes"` and `context_classes` give each class its own. The
paper warms up for one epoch at a rate of 1e-5; here the rate grows from 0. Texts are names from then on, as "{}.".
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, quickstart
from configs.common import evaluate_labels, parse_arg, quickstart_source

METHODS = [
    {
        "paper": "CoOp: Learning to Prompt for Vision-Language Models",
        "arxiv": "2109.01134",
        "family": "supervised",
        "before": ("--config=configs/quickstart.py:runlocal --workdir=runs/methods/coop_start",),
        "argument": "runlocal,start=runs/methods/coop_start",
        "check": "tests/models/test_context.py::test_a_context_that_spells_a_prompt_is_that_prompt",
    },
]

LABELS = "data/quickstart/tables/categories.json"  # of 16 training pictures or more


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, start="", runlocal=False)
    size = f"model={arg.model},resolution={arg.resolution}"
    config = quickstart.get_config("runlocal") if arg.runlocal else clip.get_config(size)
    config.name = "coop"
    config.update(steps=2000, batch_size=32)
    config.model.text.context = 4 if arg.runlocal else 16  # of 20 and of 77 tokens
    config.model.logit_scale.learn = False
    few_shots(config, LABELS, shots=16)
    config.objectives.contrastive.weight = 0.0
    config.objectives.named_classes.weight = 1.0
    config.optimizer.update(name="sgd", learning_rate=2e-3, b1=0.9, weight_decay=5e-4, clip_norm=0.0)
    config.optimizer.schedule.update(name="cosine", warmup_steps=50)
    config.optimizer.learning_rate_rules = "^model/text/context/ = 1; .* = 0"
    config.model.image.patch_dropout = 0.0
    config.checkpoint.start = arg.start
    if arg.start:
        config.checkpoint.start_new = "^model/text/context/"
    if arg.runlocal:
        config.update(steps=8)
        config.optimizer.schedule.warmup_steps = 1
    return config


def few_shots(config: ConfigDict, labels: str, shots: int) -> None:
    """Takes a few images of each label of a file, whose names are the classes, and measures on those labels."""
    source = quickstart_source("train")
    config.data.sources = {"quickstart": {**source, "keep_labels": labels, "shots": shots}}
    config.data.texts = {"classes": {"path": labels, "templates": ("{}.",)}}
    config.data.labels = {"classes": {"path": labels, "of": "label", "most": 1}}
    evaluate_labels(config, labels)
    config.evaluators.retrieval.update(every=0, final=False)
    config.evaluators.zero_shot.update(every=0, final=True, sets=("val_vendor",), templates="named")
