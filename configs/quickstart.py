"""A small ViT on the bundled 64-pixel pairs: a first model in minutes on a laptop.

python main.py                                        # = --config=configs/quickstart.py --job=train
python main.py --config=configs/quickstart.py:runlocal   # a smaller one in about a minute
python main.py --config=configs/quickstart.py:plain      # AdamW, and one size of images all along

What the recipe is worth, and how it was chosen without the evaluation sets: docs/performance.md, "The quickstart".
"""

from __future__ import annotations

from ml_collections import ConfigDict

from configs import base
from configs.common import parse_arg


def get_config(argument: str = "") -> ConfigDict:
    arg = parse_arg(argument, runlocal=False, plain=False)
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
    if not (arg.plain or arg.runlocal):
        _teach_more(config)
    return config


def _teach_more(config: ConfigDict) -> None:
    """Orthogonal updates learn as much in half of the steps, and seven tenths of these see a quarter of the pixels.

    Crops keep most of a picture: two drawings of one thing are alike in where its parts are.
    """
    config.steps = 860
    config.optimizer.update(name="muon", learning_rate=2e-3)
    config.stages.update(until=(0.7,), resolution=(32,), text_length=(12,))
    config.data.image.crop_scale = (0.6, 1.0)
