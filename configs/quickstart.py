"""A small ViT on the bundled 64-pixel pairs: a first model in minutes on a laptop.

python main.py                                        # = --config=configs/quickstart.py --job=train
python main.py --config=configs/quickstart.py:runlocal   # the same in about a minute
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import parse_arg


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, runlocal=False)
    config = base.get_config()
    config.name = "quickstart"
    config.steps = 1500 if not arg.runlocal else 30
    config.batch_size = 128 if not arg.runlocal else 64

    config.model.embed_dim = 128
    depth = 6 if not arg.runlocal else 2
    config.model.image.update(
        size="", width=128, depth=depth, heads=4, mlp_dim=512, patch_size=8, resolution=64
    )
    config.model.text.update(size="", width=128, depth=depth, heads=4, mlp_dim=512)

    config.objectives.contrastive.weight = 1.0
    config.optimizer.schedule.warmup_steps = config.get_ref("steps") // 10  # follows --config.steps

    config.evaluators.zero_shot.update(every=500, final=True, sets=("val_vendor", "val"))
    config.evaluators.retrieval.update(every=500, final=True, sets=("val_vendor", "val"))
    config.checkpoint.every = 500
    config.log.every = 50 if not arg.runlocal else 10
    return config
