"""LiT (Zhai et al., 2021, arXiv 2111.07991): one tower is trained already, and held; the other learns its space.

    python main.py --config=configs/lit.py:model=vit_b16,start=WORKDIR                 # of a run, or an import
    python main.py --config=configs/lit.py:model=vit_b16,held=text,start=WORKDIR
    python main.py --config=configs/lit.py:runlocal          # without a trained tower nothing is learned

The tower of `start`, its projection, tokenizer and preprocessing are that run's. A held tower has no backward pass and
no moments, and with `data.stored.image` a run reads what --job=embed made of it in the place of running it. A
projection that learns, or blocks behind a held tower: `configs/dinotxt.py`. Batch, steps and learning rate are recalled
and not verified.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import parse_arg, shrink, start_from

METHODS = [
    {
        "paper": "LiT: Zero-Shot Transfer with Locked-image text Tuning",
        "arxiv": "2111.07991",
        "family": "contrastive",
        "check": "tests/training/test_held.py::"
        "test_what_is_held_stays_to_the_bit_and_has_neither_moments_nor_mean",
    },
    {
        "paper": "LiT: Zero-Shot Transfer with Locked-image text Tuning (its locked text)",
        "arxiv": "2111.07991",
        "family": "contrastive",
        "argument": "runlocal,held=text",
        "check": "tests/interop/test_locked_towers.py::test_each_form_trains_what_it_says",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(
        argument, model="vit_b16", resolution=224, runlocal=False, held=("image", "text"), start=""
    )
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.update(name=f"lit_{arg.held}_{arg.model}_{arg.resolution}", batch_size=16_384, steps=55_000)
    config.optimizer.update(learning_rate=1e-3, weight_decay=1e-4)
    config.optimizer.learning_rate_rules = f"^model/{arg.held}(_projection)?/ = 0"
    config.optimizer.schedule.warmup_steps = 10_000
    if arg.runlocal:
        shrink(config)
    start_from(config, arg.start, (arg.held,))
    return config
