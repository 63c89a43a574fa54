"""GeoRSCLIP (Zhang et al., 2023, arXiv 2306.11300): a trained CLIP goes on with pairs of another domain, by adapters.

    python main.py --config=configs/georsclip.py:model=vit_b32,start=WORKDIR      # of an import, or of a run
    python main.py --config=configs/georsclip.py:model=vit_b32,start=WORKDIR,adapt=bottleneck

`adapt` says what is trained: `lora` (arXiv 2106.09685, on the projections of every attention), `bottleneck` (arXiv
1902.00751, behind every MLP), `bias` (BitFit, arXiv 2106.10199: what there is of biases) or `all`. What is held stays
to the byte, and what lora adds becomes part of the weights in an export. `model.adapters.rules` puts adapters on
other layers. `curated` is what configs/curate/rs5m.py left: the pairs that pass its filters, each with the caption that
is nearest to its image. Model, tokenizer and preprocessing are those of `start`. Batch, steps and learning rate are
recalled and not verified.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import parse_arg, start_from, use_curated

METHODS = [
    {
        "paper": "RS5M and GeoRSCLIP: A Large Scale Vision-Language Dataset for Remote Sensing (its adapters)",
        "arxiv": "2306.11300",
        "family": "contrastive",
        "argument": "runlocal,start=runs/methods/georsclip_base",
        "before": ("--config=configs/clip.py:runlocal --workdir=runs/methods/georsclip_base",),
        "check": "tests/models/test_adapters.py::test_a_step_trains_adapters_alone_and_the_base_stays_to_the_byte",
    },
    {
        "paper": "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked Language-models",
        "arxiv": "2106.10199",
        "family": "contrastive",
        "argument": "runlocal,adapt=bias",
        "check": "tests/models/test_adapters.py::test_a_step_trains_adapters_alone_and_the_base_stays_to_the_byte",
    },
    {
        "paper": "RS5M and GeoRSCLIP: A Large Scale Vision-Language Dataset for Remote Sensing (tuned on its chain)",
        "arxiv": "2306.11300",
        "family": "contrastive",
        "argument": "runlocal,adapt=all,start=runs/methods/georsclip_start,curated=runs/methods/georsclip_pairs",
        "before": (
            "--config=configs/clip.py:runlocal --workdir=runs/methods/georsclip_start",
            "--job=embed --checkpoint=runs/methods/georsclip_start --config=configs/curate/rs5m.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--output=runs/methods/georsclip_embedded",
            "--job=curate --config=configs/curate/rs5m.py "
            "--config.data.sources.quickstart.path=data/quickstart/val.parquet "
            "--config.curate.embeddings=runs/methods/georsclip_embedded --output=runs/methods/georsclip_pairs",
        ),
        "flags": "--config.data.sources.quickstart.path=data/quickstart/val.parquet",
        "check": "tests/curation/test_best_captions.py::test_the_chain_is_the_composition_of_its_steps",
    },
]

# By what is trained: rules of adapters, and multipliers of the learning rate.
ALONE = "/adapter/ = 1; ^model/ = 0"
ADAPT = {
    "lora": ("transformer/blocks/attention/(qkv|out)$ = lora 8", ALONE),
    "bottleneck": ("transformer/blocks/mlp/down$ = bottleneck 16", ALONE),
    "bias": ("", "^model/(image|text)/.*bias$ = 1; ^model/ = 0"),
    "all": ("", ""),
}


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(
        argument, model="vit_b32", resolution=224, runlocal=False, start="", adapt=tuple(ADAPT), curated=""
    )
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution},runlocal={arg.runlocal}")
    config.name = config.name.replace("clip", f"georsclip_{arg.adapt}")
    rules, rates = ADAPT[arg.adapt]
    config.model.adapters.rules = rules
    config.optimizer.learning_rate_rules = rates
    if not arg.runlocal:
        config.update(batch_size=2048, steps=25_000)
        config.optimizer.update(learning_rate=4e-4 if rules else 4e-5, weight_decay=0.0)
        config.optimizer.schedule.warmup_steps = 1000
    start_from(config, arg.start, new="/adapter/" if rules else "")
    if arg.curated:
        use_curated(config, arg.curated, "ranked")
    return config
