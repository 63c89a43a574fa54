"""LiT (Zhai et al., 2021, arXiv 2111.07991): a text tower for an image tower that is trained already, and held.

    python main.py --config=configs/lit.py:model=vit_b16,resolution=224 --config.checkpoint.start_image=WORKDIR
    python main.py --config=configs/lit.py:runlocal          # without a trained tower nothing is learned

The image tower and its projection are another run's, of `configs/mlcd.py` say; its config has to agree in `model.image`
and `model.embed_dim`. A held tower has no backward pass and no moments. Batch, steps and learning rate are recalled and
not verified; the paper's image tower has no projection (`model.image.projection="none"`).
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip

METHODS = [
    {
        "paper": "LiT: Zero-Shot Transfer with Locked-image text Tuning",
        "arxiv": "2111.07991",
        "family": "contrastive",
        "check": "tests/training/test_held.py::"
        "test_what_is_held_stays_to_the_bit_and_has_neither_moments_nor_mean",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    config = clip.get_config(argument)
    config.name = config.name.replace("clip", "lit")
    config.optimizer.learning_rate_rules = "^model/image(_projection)?/ = 0"
    if not clip.parse(argument).runlocal:
        config.update(batch_size=16_384, steps=55_000)
        config.optimizer.update(learning_rate=1e-3, weight_decay=1e-4)
        config.optimizer.schedule.warmup_steps = 10_000
    return config
