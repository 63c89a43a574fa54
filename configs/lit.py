"""LiT (Zhai et al., 2021, arXiv 2111.07991): one tower is trained already, and held; the other learns its space.

    python main.py --config=configs/lit.py:model=vit_b16,start=WORKDIR                 # of a run, or an import
    python main.py --config=configs/lit.py:model=vit_b16,form=text,start=WORKDIR
    python main.py --config=configs/lit.py:model=vit_b16,form=blocks,start=WORKDIR
    python main.py --config=configs/lit.py:runlocal          # without a trained tower nothing is learned

`form` says what is held: `image` (the paper's), `text`, `projection`: an image tower whose projection learns, or
`blocks`: one behind which two blocks learn, too, and which is read by its class token and the mean over its patches
together (dino.txt, arXiv 2412.16334, section 3.1). The tower of `start`, its projection, tokenizer and preprocessing
are that run's. A held tower has no backward pass and no moments, and with `data.stored.image` a run reads what
--job=embed made of it in the place of running it. `model=quickstart` is for the bundled pairs: docs/interop.md has it
with ImageNet's weights. Batch, steps and learning rate are recalled and not verified.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip, quickstart
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
    "projection": ("^model/image/ = 0", "image"),
    "blocks": ("^model/image/top/ = 1; ^model/image/ = 0", "image"),
}
NEW = {
    "projection": "^model/image_projection/",
    "blocks": "^model/image(/top|_projection)/",
}  # beside `start`


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, model="vit_b16", resolution=224, runlocal=False, form="image", start="")
    if arg.form not in FORMS:
        raise ValueError(f"form={arg.form} is not one of {', '.join(FORMS)}")
    rules, tower = FORMS[arg.form]
    config = _small(arg) if arg.model == "quickstart" else _large(arg)
    suffix = "" if arg.form == "image" else f"_{arg.form}"
    config.name = f"lit{suffix}_{config.name.removeprefix('clip_')}"
    config.optimizer.learning_rate_rules = rules
    embed_dim = config.model.embed_dim
    if arg.start:
        start_from(config, arg.start, (tower,))
        config.checkpoint.start_new = NEW.get(arg.form, "")
    if arg.form in NEW:
        config.model.embed_dim, config.model.image.projection = embed_dim, ""
        config.data.stored.project = arg.form == "projection"
    if arg.form == "blocks":
        config.model.image.update(pool="class_mean", top_blocks=2)
    return config


def _small(arg: ConfigDict) -> ConfigDict:
    """The quickstart's text tower and length of training."""
    return quickstart.get_config("runlocal" if arg.runlocal else "")


def _large(arg: ConfigDict) -> ConfigDict:
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.update(batch_size=16_384, steps=55_000)
    config.optimizer.update(learning_rate=1e-3, weight_decay=1e-4)
    config.optimizer.schedule.warmup_steps = 10_000
    if arg.runlocal:
        shrink(config)
    return config
