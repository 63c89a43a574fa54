"""CLIP (Radford et al., 2021, arXiv 2103.00020): its recipe for any ViT, on your data.

    python main.py --config=configs/clip.py:model=vit_b16,resolution=224
    python main.py --config=configs/clip.py:runlocal          # a toy size, to see that everything works

Point `data.sources` at your pairs, in a copy of this file or with a flag:

    --config.data.sources="{'mine': {'format': 'parquet', 'path': '/data/cc12m/*.parquet'}}"

and `data.evaluation` at the sets to measure on, which `evaluators.zero_shot.sets` and `evaluators.retrieval.sets` name.
The tokenizer is CLIP's own.
"""

from __future__ import annotations

import re

from ml_collections import ConfigDict

from configs import base
from configs.common import CLIP_TOKENIZER, evaluate, parse_arg, shrink

METHODS = [
    {
        "paper": "CLIP: Learning Transferable Visual Models From Natural Language Supervision",
        "arxiv": "2103.00020",
        "family": "contrastive",
        "check": "tests/golden/test_golden_vectors.py::test_golden_file",
    },
    {
        "paper": "FLIP: Scaling Language-Image Pre-training via Masking",
        "arxiv": "2212.00794",
        "family": "contrastive",
        "flags": "--config.model.image.patch_dropout=0.5",
        "check": "tests/models/test_towers.py::"
        "test_patch_dropout_keeps_a_different_share_each_time_and_nothing_is_dropped_without_a_key",
    },
    {
        "paper": "GradCache: Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup",
        "arxiv": "2101.06983",
        "family": "contrastive",
        "flags": "--config.model.micro_batch=8",
        "check": "tests/models/test_micro_batch.py::test_gradients_are_those_of_the_whole_batch",
    },
]

# By image tower: the embedding, the text tower and the peak learning rate (tables 19 and 20 of the paper).
# The two smallest and the two largest towers are not in the paper; they follow its neighbours.
TEXT_SMALL = {"width": 384, "depth": 12, "heads": 6, "mlp_dim": 1536}
TEXT_BASE = {"width": 512, "depth": 12, "heads": 8, "mlp_dim": 2048}
TEXT_LARGE = {"width": 768, "depth": 12, "heads": 12, "mlp_dim": 3072}
TEXT_HUGE = {"width": 1024, "depth": 24, "heads": 16, "mlp_dim": 4096}
TOWERS = {
    "ti": ("Ti", 384, TEXT_SMALL, 1e-3),
    "s": ("S", 384, TEXT_SMALL, 1e-3),
    "b": ("B", 512, TEXT_BASE, 5e-4),
    "l": ("L", 768, TEXT_LARGE, 4e-4),
    "so400m": ("So400m", 1024, TEXT_HUGE, 4e-4),
    "h": ("H", 1024, TEXT_HUGE, 4e-4),
}


def parse(argument: str) -> ConfigDict:
    """Returns the argument that this file takes, and all that start from it."""
    return parse_arg(argument, model="vit_b16", resolution=224, runlocal=False)


def get_config(argument: str = "") -> ConfigDict:
    arg = parse(argument)
    size, patch_size = _parse_model(arg.model)
    image_size, embed_dim, text, learning_rate = TOWERS[size]

    config = base.get_config()
    config.name = f"clip_{arg.model}_{arg.resolution}"
    config.batch_size = 32_768
    config.steps = 390_625  # 32 epochs of 400 million pairs

    config.model.update(embed_dim=embed_dim, dtype="bfloat16")
    config.model.image.update(size=image_size, patch_size=patch_size, resolution=arg.resolution, pool="class")
    config.model.text.update(size="", causal=True, pool="end", **text)
    config.tokenizer.update(CLIP_TOKENIZER, length=77)

    config.objectives.contrastive.weight = 1.0
    config.optimizer.update(
        learning_rate=learning_rate, b1=0.9, b2=0.98, eps=1e-6, weight_decay=0.2, clip_norm=0.0
    )
    config.optimizer.schedule.update(name="cosine", warmup_steps=2000)

    config.data.image.update(
        crop_scale=(0.9, 1.0),
        resize="crop",
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
    )
    config.data.update(threads=16, workers=4)
    config.checkpoint.every = 5000
    evaluate(config, every=5000)
    config.log.every = 100
    if arg.runlocal:
        shrink(config)
    return config


def _parse_model(name: str) -> tuple[str, int]:
    """'vit_b16' as the size 'b' and the patch size 16."""
    match = re.fullmatch(rf"vit_({'|'.join(TOWERS)})(\d+)", name)
    if not match:
        known = ", ".join(f"vit_{size}<patch size>" for size in TOWERS)
        raise ValueError(f"model={name} is unknown: use one of {known}, such as vit_b16")
    return match[1], int(match[2])
