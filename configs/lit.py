"""LiT (Zhai et al., 2021, arXiv 2111.07991): one tower is trained already, and held; the other learns its space.

    python main.py --config=configs/lit.py:model=vit_b16,start=WORKDIR                 # of a run, or an import
    python main.py --config=configs/lit.py:model=vit_b16,form=text,start=WORKDIR
    python main.py --config=configs/lit.py:model=vit_b16,form=blocks,start=WORKDIR
    python main.py --config=configs/lit.py:runlocal          # without a trained tower nothing is learned

`form` says what is held: `image` (the paper's), `text`, or `blocks`: an image tower behind which two blocks learn,
and which is read by its class token and the mean over its patches together (dino.txt, arXiv 2412.16334, section 3.1).
The tower of `start`, its projection, tokenizer and preprocessing are that run's; `form=blocks` leaves its projection
there and trains one. A held tower has no backward pass and no moments; `data.stored.image` has a run read embeddings
instead of running it. Batch, steps and learning rate are recalled and not verified.
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
        "argument": "runlocal,form=text",
        "check": "tests/interop/test_locked_towers.py::test_each_form_trains_what_it_says",
    },
    {
        "paper": "dino.txt: DINOv2 Meets Text: A Unified Framework for Image- and Pixel-Level Vision-Language "
        "Alignment",
        "arxiv": "2412.16334",
        "family": "contrastive",
        "argument": "runlocal,form=blocks",
        "check": "tests/interop/test_locked_towers.py::test_each_form_trains_what_it_says",
    },
]

# What is held, and the tower that `start` is of.
FORMS = {
    "image": ("^model/image(_projection)?/ = 0", "image"),
    "text": ("^model/text(_projection)?/ = 0", "text"),
    "blocks": ("^model/image/top/ = 1; ^model/image/ = 0", "image"),
}


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, runlocal=False, form="image", start="")
    if arg.form not in FORMS:
        raise ValueError(f"form={arg.form} is not one of {', '.join(FORMS)}")
    rules, tower = FORMS[arg.form]
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    suffix = "" if arg.form == "image" else f"_{arg.form}"
    config.name = config.name.replace("clip", f"lit{suffix}")
    config.update(batch_size=16_384, steps=55_000)
    config.optimizer.update(learning_rate=1e-3, weight_decay=1e-4, learning_rate_rules=rules)
    config.optimizer.schedule.warmup_steps = 10_000
    embed_dim = config.model.embed_dim
    if arg.runlocal:
        shrink(config)
    if arg.start:
        start_from(config, arg.start, (tower,))
    if arg.form == "blocks":
        config.model.image.update(pool="class_mean", top_blocks=2, projection="")
        config.model.embed_dim = 32 if arg.runlocal else embed_dim
        if arg.start:
            config.checkpoint.start_new = "^model/image(/top|_projection)/"
    return config
