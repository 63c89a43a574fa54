"""AdaptCLIPZS (Saha et al., 2024, arXiv 2401.02460): CLIP tuned on sentences about classes, for classes to come.

    python main.py --config=configs/adaptclipzs.py:model=vit_b16,resolution=224,start=WORKDIR,descriptions=FILE
    python main.py --config=configs/adaptclipzs.py:runlocal

Each image is shown with a random sentence of its class, as --job=describe or a language model wrote it, and matches
every sentence of the class in the batch; the two directions are added up. Batches are blocks of a class, as the public
loader's. As in the public code, attention's projections and the MLPs' second layers stay as they are, the towers' rate
is 5e-7 and the projections' 1e-7, and the scores have a second, learned temperature in training. It is measured on
classes that training never saw, by the mean probability of their sentences.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, quickstart
from configs.common import evaluate_labels, parse_arg, quickstart_labels

METHODS = [
    {
        "paper": "AdaptCLIPZS: Improved Zero-Shot Classification by Adapting VLMs with Text Descriptions",
        "arxiv": "2401.02460",
        "family": "contrastive",
        "before": (
            "--config=configs/quickstart.py:runlocal --workdir=runs/methods/adapt_start",
            "--job=describe --output=runs/methods/descriptions.json",
        ),
        "argument": "runlocal,start=runs/methods/adapt_start,descriptions=runs/methods/descriptions.json",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
]

TRAINED, NEW = (f"data/quickstart/tables/{name}_categories.json" for name in ("trained", "new"))
RATE = 5e-7
RATES = (
    "attention/(qkv|out)/ = 0; mlp/down/ = 0; ^model/(image|text)_projection/ = 0.2; "
    "^objectives/contrastive/temperature$ = 20000"
)


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, start="", descriptions="", runlocal=False)
    size = f"model={arg.model},resolution={arg.resolution}"
    config = quickstart.get_config("runlocal") if arg.runlocal else clip.get_config(size)
    config.name = "adaptclipzs"
    config.update(steps=3000, batch_size=256)
    config.data.sources = {"classes": {**quickstart_labels("train"), "keep_labels": TRAINED}}
    config.data.sources.classes.templates = ("a photo of a {}",)
    config.data.text.update(descriptions=arg.descriptions, skip_words=2)
    config.data.sampler.update(kind="classes", each=8)
    config.objectives.contrastive.update(weight=2.0, targets="label", temperature=2.0)
    config.optimizer.update(learning_rate=RATE, weight_decay=1e-2, clip_norm=0.0, learning_rate_rules=RATES)
    config.optimizer.schedule.update(name="cosine", warmup_steps=0)
    evaluate_labels(config, NEW)
    config.evaluators.retrieval.update(every=0, final=False)
    config.evaluators.zero_shot.update(every=0, final=True, sets=("test",), pooling="probability")
    config.evaluators.zero_shot.descriptions = arg.descriptions
    config.checkpoint.start = arg.start
    if arg.runlocal:
        config.update(steps=8, batch_size=32)
    return config
