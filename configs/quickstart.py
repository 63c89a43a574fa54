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
    config.steps = 60 if arg.runlocal else 460
    config.batch_size = 64 if arg.runlocal else 128

    # Few updates have to do: small towers, half of the patches, and a text tower that reads in both directions.
    depths = (2, 2) if arg.runlocal else (6, 3)
    tower = {"size": "", "width": 128, "heads": 2, "mlp_dim": 512}
    config.model.embed_dim = 128
    config.model.image.update(tower, depth=depths[0], patch_size=8, resolution=64, patch_dropout=0.5)
    config.model.text.update(tower, depth=depths[1], causal=False, pool="mean")
    config.tokenizer.length = 20

    config.objectives.contrastive.weight = 1.0
    config.optimizer.learning_rate = 1.2e-3
    config.optimizer.schedule.warmup_steps = config.get_ref("steps") // 10  # follows --config.steps

    sets = ("val_vendor", "val", "test")
    config.evaluators.zero_shot.update(every=200, final=True, sets=sets, templates="quickstart")
    config.evaluators.retrieval.update(every=200, final=True, sets=sets)
    config.checkpoint.every = 100
    config.log.every = 10
    config.data.threads = 1
    return config
