"""CLIPA (Li et al., 2023, arXiv 2305.07017): small images and short texts for most of the run, full size at the end.

    python main.py --config=configs/clipa.py:model=vit_b16,resolution=224
    python main.py --config=configs/clipa.py:runlocal

Half the resolution is a quarter of the patches, and half the text of 32 tokens is CLIPA-B/16(I50,T16). Pairs in either
stage (2.8 billion, 131 million), batch, learning rate, b2 and crops are those of the released JAX code for ViT-B/16. It
tunes in a run of its own that begins at a tenth of the peak; here one schedule spans both stages, at a seventh of its
peak when the second begins and 0 at its end.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import clip
from configs.common import shrink

METHODS = [
    {
        "paper": "CLIPA: An Inverse Scaling Law for CLIP Training",
        "arxiv": "2305.07017",
        "family": "contrastive",
        "check": "tests/jobs/test_stages_in_runs.py::test_the_stages_are_told_and_each_compiles_one_step",
    },
]


def get_config(argument: str = "") -> ConfigDict:
    arg = clip.parse(argument)
    config = clip.get_config(f"model={arg.model},resolution={arg.resolution}")
    config.name = config.name.replace("clip", "clipa", 1)
    reduced, full = 85_449, 4_000
    config.update(batch_size=32_768, steps=reduced + full)
    config.tokenizer.length = 32
    config.optimizer.update(learning_rate=1.024e-3, b2=0.95)
    config.optimizer.schedule.update(name="reciprocal_sqrt", warmup_steps=1600, cooldown_steps=full)
    config.data.image.crop_scale = (0.4, 1.0)
    config.stages.update(until=(reduced,), text_length=(16,))
    if arg.runlocal:
        shrink(config)
        config.stages.until = (6,)
        config.optimizer.schedule.cooldown_steps = 2
    patch_size = config.model.image.patch_size
    config.stages.resolution = (config.model.image.resolution // (2 * patch_size) * patch_size,)
    return config
